"""Inter-class similarity: class vectors c_i, the matrix S and the sets M_i (Sections 3.3, 3.4)."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA


def reduce_vectors(vectors: np.ndarray, dimensions: int) -> np.ndarray:
    """Centre image vectors on the data set's mean and reduce them with PCA.

    Pooled ReLU features are all positive: uncentred, every pair of classes would be similar.

    Args:
        vectors: (n, D) float.
        dimensions: the paper's 128; fewer where n or D is smaller.

    Returns:
        (n, min(dimensions, n, D)) float64.
    """
    dimensions = min(dimensions, *vectors.shape)
    # The full solver is exact and has no random state.
    return PCA(dimensions, svd_solver="full").fit_transform(vectors.astype(np.float64))


def class_vectors(vectors: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """c_i, the mean of class i's image vectors: (n, D), (n,) int → (classes, D)."""
    sums = np.zeros((classes, vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return sums / np.bincount(labels, minlength=classes)[:, None]


def similarity_matrix(class_vectors: np.ndarray) -> np.ndarray:
    """S_ij = c_i·c_j / (‖c_i‖ ‖c_j‖): (C, D) → (C, C) float64 in [−1, 1], diagonal 1."""
    norms = np.linalg.norm(class_vectors, axis=1, keepdims=True)
    unit = class_vectors / np.maximum(norms, np.finfo(float).tiny)
    matrix = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def similar_classes(similarity: np.ndarray, gamma: float) -> np.ndarray:
    """M_i = { j : S_ij > γ } as rows of a (C, C) bool matrix; i ∈ M_i always, since S_ii = 1."""
    similar = similarity > gamma
    np.fill_diagonal(similar, True)
    return similar
