"""Inter-class similarity: class vectors c_i, the matrix S and the sets M_i (Sections 3.3, 3.4)."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from isic.errors import InputError
from isic.storage.hdf5 import open_hdf5, strings
from isic.storage.layouts import SIMILARITY


def class_vectors(
    batches: Iterable[np.ndarray], labels: np.ndarray, classes: int, dimensions: int
) -> np.ndarray:
    """c_i, the mean of class i's image vectors, centred on the data set's mean, after PCA.

    Pooled ReLU features are all positive: uncentred, every pair of classes would be similar.
    PCA is linear, so that it can follow the means; what it needs of the images is their covariance,
    a sum. Memory does not grow with their number: ImageNet's vectors alone would be 10 GB.

    Args:
        batches: arrays (b, D) of image vectors, n rows in all.
        labels: (n,) int, their classes; each class has an image.
        classes: C.
        dimensions: the paper's 128; fewer where n or D is smaller.

    Returns:
        (C, min(dimensions, n, D)) float64.
    """
    sums: np.ndarray | float = 0.0  # (C, D)
    products: np.ndarray | float = 0.0  # (D, D)
    seen = 0
    for batch in batches:
        vectors = batch.astype(np.float64)
        ones = np.zeros((classes, len(vectors)))
        ones[labels[seen : seen + len(vectors)], np.arange(len(vectors))] = 1
        sums = sums + ones @ vectors
        products = products + vectors.T @ vectors
        seen += len(vectors)
    sums = np.asarray(sums)
    mean = sums.sum(0) / seen
    covariance = products / seen - np.outer(mean, mean)
    kept = min(dimensions, seen, len(mean))
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :kept]
    return (sums / np.bincount(labels, minlength=classes)[:, None] - mean) @ axes


def similarity_matrix(class_vectors: np.ndarray) -> np.ndarray:
    """S_ij = c_i·c_j / (‖c_i‖ ‖c_j‖): (C, D) → (C, C) float64 in [−1, 1], diagonal 1."""
    norms = np.linalg.norm(class_vectors, axis=1, keepdims=True)
    unit = class_vectors / np.maximum(norms, np.finfo(float).tiny)
    matrix = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def similar_classes(similarity: np.ndarray, gamma: float) -> np.ndarray:
    """M_i = { j ≠ i : S_ij > γ } as rows of a (C, C) bool matrix.

    Without i itself: what a class's own images share is NMF's to find (docs/results/icfs.md).
    """
    similar = similarity > gamma
    np.fill_diagonal(similar, False)
    return similar


def read_similarity(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[str]]:
    """Read S, float64 (C, C), and the names of its classes.

    Raises:
        InputError: the file is missing, or is not what `isic similarity` writes.
    """
    with open_hdf5(path, SIMILARITY) as file:
        matrix, names = file["similarity"][:], list(strings(file["class"]))
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: is not finite. Delete it and run the same command again.")
    return matrix, names
