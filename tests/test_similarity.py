"""The similarity matrix S (Section 3.3) and the sets M_i (Section 3.4)."""

import numpy as np

from isic.similarity import class_vectors, reduce_vectors, similar_classes, similarity_matrix


def test_class_vectors_are_means() -> None:
    vectors = np.random.default_rng(0).random((9, 4))
    labels = np.array([2, 0, 1, 2, 2, 0, 1, 1, 1])
    found = class_vectors(vectors, labels, 3)
    for c in range(3):
        np.testing.assert_allclose(found[c], vectors[labels == c].mean(0))


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


def test_vectors_are_centred_and_keep_their_geometry() -> None:
    rng = np.random.default_rng(0)
    vectors = 10 + rng.random((30, 6))  # as of pooled ReLU features: all positive, all alike
    labels = np.arange(30) % 5
    assert similarity_matrix(class_vectors(vectors, labels, 5)).min() > 0.99
    reduced = reduce_vectors(vectors, 6)
    np.testing.assert_allclose(reduced.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(
        similarity_matrix(class_vectors(reduced, labels, 5)),
        similarity_matrix(class_vectors(vectors - vectors.mean(0), labels, 5)),
        atol=1e-10,
    )


def test_reduce_keeps_the_directions_that_vary_most() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 10)) * ([9, 7, 5] + [0.01] * 7)
    reduced = reduce_vectors(vectors, 3)
    assert reduced.shape == (40, 3)
    centred = vectors - vectors.mean(0)
    np.testing.assert_allclose(reduced @ reduced.T, centred @ centred.T, atol=0.02)
    np.testing.assert_array_equal(reduced, reduce_vectors(vectors, 3))
    assert reduce_vectors(vectors, 128).shape == (40, 10)
    assert reduce_vectors(vectors[:4], 128).shape == (4, 4)


def test_similar_classes_are_above_gamma_and_hold_their_own() -> None:
    s = np.array([[1.0, 0.3, 0.31], [0.3, 1.0, -0.5], [0.31, -0.5, 1.0]])
    expected = [[True, False, True], [False, True, False], [True, False, True]]
    np.testing.assert_array_equal(similar_classes(s, 0.3), expected)
    np.testing.assert_array_equal(similar_classes(s, 1.0), np.eye(3, dtype=bool))
    assert similar_classes(s, -1.0).all()
