"""The similarity matrix S (Section 3.3) and the sets M_i (Section 3.4)."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from isic.method.similarity import class_vectors, similar_classes, similarity_matrix


def plainly(vectors: np.ndarray, labels: np.ndarray, dimensions: int) -> np.ndarray:
    """Class means of scikit-learn's PCA of all vectors."""
    reduced = PCA(dimensions, svd_solver="full").fit_transform(vectors.astype(np.float64))
    return np.array([reduced[labels == c].mean(0) for c in range(labels.max() + 1)])


@pytest.mark.parametrize(
    ("n", "length", "dimensions"), [(60, 20, 20), (60, 20, 5), (60, 20, 128), (12, 40, 128)]
)
def test_class_vectors_are_means_after_pca(n: int, length: int, dimensions: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 5
    vectors = (10 + rng.random((n, length)) + rng.random((5, length))[labels]).astype(np.float32)
    found = class_vectors(np.array_split(vectors, 4), labels, 5, dimensions)
    expected = plainly(vectors, labels, min(dimensions, n, length))
    assert found.shape == expected.shape
    # An axis may point either way: lengths and angles are what PCA gives.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-8)
    np.testing.assert_allclose(
        similarity_matrix(found), similarity_matrix(expected), atol=1e-8, rtol=0
    )


def test_s_is_the_cosine() -> None:
    c = np.random.default_rng(0).standard_normal((5, 7))
    found = similarity_matrix(c)
    for i in range(5):
        for j in range(5):
            expected = c[i] @ c[j] / np.linalg.norm(c[i]) / np.linalg.norm(c[j])
            np.testing.assert_allclose(found[i, j], expected, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    assert np.abs(similarity_matrix(np.repeat(c, 2, 0))).max() <= 1


def test_a_class_without_features_is_like_itself_alone() -> None:
    c = np.array([[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_array_equal(similarity_matrix(c), np.eye(2))


def test_vectors_are_centred() -> None:
    rng = np.random.default_rng(0)
    vectors = 10 + rng.random((30, 6))  # as of pooled ReLU features: all positive, all alike
    labels = np.arange(30) % 5
    means = np.array([vectors[labels == c].mean(0) for c in range(5)])
    assert similarity_matrix(means).min() > 0.99
    found = similarity_matrix(class_vectors([vectors], labels, 5, 6))
    np.testing.assert_allclose(found, similarity_matrix(means - vectors.mean(0)), atol=1e-8)


def test_similar_classes_are_the_others_above_gamma() -> None:
    s = np.array([[1.0, 0.3, 0.31], [0.3, 1.0, -0.5], [0.31, -0.5, 1.0]])
    expected = [[False, False, True], [False, False, False], [True, False, False]]
    np.testing.assert_array_equal(similar_classes(s, 0.3), expected)
    np.testing.assert_array_equal(similar_classes(s, 1.0), np.zeros((3, 3), bool))
    assert similar_classes(s, -1.0).sum() == 6
