"""The projection direction of a class: rank-1 NMF of its feature maps (Section 3.5, Eq. 8).

For a non-negative Θ the best rank-1 non-negative factorisation is the leading singular pair
(Perron–Frobenius and Eckart–Young), so θ2 is the top eigenvector of the N × N Gram matrix ΘᵀΘ. The
Gram matrix is a sum over images: it is gathered while streaming, and memory does not grow with the
number of images T.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import h5py
import numpy as np

from isic.errors import InputError
from isic.method.projection import compressed


def gram_matrix(images: Iterable[np.ndarray]) -> np.ndarray:
    """ΘᵀΘ, gathered an image at a time in float64.

    Args:
        images: T arrays (h, w, N), ≥ 0: one class's fused maps.

    Returns:
        (N, N) float64.
    """
    gram: np.ndarray | float = 0.0
    for image in images:
        theta = image.reshape(-1, image.shape[-1]).astype(np.float64, copy=False)
        gram = gram + theta.T @ theta
    return np.asarray(gram)


def direction_from_gram(gram: np.ndarray) -> np.ndarray:
    """θ2ᵀ, the top eigenvector of ΘᵀΘ.

    Args:
        gram: (N, N) float64, entries ≥ 0.

    Returns:
        (N,) float64, ≥ 0, of unit length; all zero where Θ is (dead features).
    """
    if not gram.any():
        return np.zeros(len(gram))
    vector = np.linalg.eigh(gram)[1][:, -1]
    vector = np.maximum(vector * np.sign(vector.sum()), 0.0)  # Perron: no entry of another sign
    return vector / np.linalg.norm(vector)


def direction_sklearn(images: Iterable[np.ndarray]) -> np.ndarray:
    """θ2ᵀ by scikit-learn's iterative NMF on the whole Θ: the check on `direction_from_gram`.

    Args:
        images: T arrays (h, w, N), ≥ 0.

    Returns:
        (N,) float64, ≥ 0, of unit length; all zero where Θ is.
    """
    from sklearn.decomposition import NMF  # here: its import would be most of the default's time

    theta = np.concatenate([image.reshape(-1, image.shape[-1]) for image in images])
    if not theta.any():
        return np.zeros(theta.shape[1])
    model = NMF(1, init="random", solver="cd", max_iter=1000, tol=1e-6, random_state=0)
    vector = model.fit(theta).components_[0].astype(np.float64)
    return vector / np.linalg.norm(vector)


def class_direction(
    features: h5py.Dataset, rows: np.ndarray, solver: str, compress: float
) -> np.ndarray:
    """The direction of one class from its rows of a shard, read an image at a time.

    Args:
        features: (n, h, w, N) float16.
        rows: (T,) int, the class's images.
        solver: `gram` or `sklearn` (which holds the whole Θ).
        compress: exponent on the features.

    Returns:
        (N,) float64, ≥ 0, of unit length; all zero where Θ is.
    """

    def images() -> Iterator[np.ndarray]:
        for row in rows:
            image = features[row]
            if compress != 1:  # else straight to float64: by way of float32 it takes longer
                image = compressed(image, compress)
            image = image.astype(np.float64)
            if not np.isfinite(image).all():
                raise InputError(
                    f"{features.file.filename}: feature maps that are not finite. Delete it and "
                    "run the same command again."
                )
            yield image

    if solver == "gram":
        return direction_from_gram(gram_matrix(images()))
    if solver == "sklearn":
        return direction_sklearn(images())
    raise InputError(f"directions.solver is gram or sklearn, not {solver!r}.")
