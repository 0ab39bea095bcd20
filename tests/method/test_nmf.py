"""Rank-1 NMF: `gram` against scikit-learn, memory that does not grow with the images, the check's
own solver, features that are refused.
"""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import sklearn.decomposition
from sklearn.decomposition import NMF

from isic.errors import InputError
from isic.method.nmf import class_direction, direction_from_gram, direction_sklearn, gram_matrix
from isic.method.projection import compressed


def smooth(rng: np.random.Generator) -> np.ndarray:
    """One common direction and noise: (T, h, w, N)."""
    theta = rng.random((6, 5, 7, 1)) * rng.random(24) + 0.1 * rng.random((6, 5, 7, 24))
    return theta.astype(np.float32)


def heavy_tailed(rng: np.random.Generator) -> np.ndarray:
    """Products of three rectified maps, as the fusion gives them: sparse, a few huge values."""
    maps = np.maximum(rng.standard_normal((3, 6, 5, 7, 24)) + 0.3, 0) ** 3
    return (maps.prod(0) * rng.lognormal(0, 2, 24)).astype(np.float32)


def with_dead_channels(rng: np.random.Generator) -> np.ndarray:
    return smooth(rng) * (np.arange(24) % 3 > 0)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


DATA = [smooth, heavy_tailed, with_dead_channels]


@pytest.mark.parametrize("make", DATA)
@pytest.mark.parametrize("seed", [0, 1])
def test_gram_is_scikit_learns_nmf(make: Callable, seed: int) -> None:
    images = make(np.random.default_rng(seed))
    direction = direction_from_gram(gram_matrix(images))
    assert direction.shape == (24,)
    assert (direction >= 0).all()
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert cosine(direction, direction_sklearn(images)) > 1 - 1e-5
    # Another start, so that the check does not lean on scikit-learn's own singular vectors.
    model = NMF(1, init="random", solver="cd", max_iter=5000, tol=1e-10, random_state=0)
    model.fit(images.reshape(-1, 24).astype(np.float64))
    assert cosine(direction, model.components_[0]) > 1 - 1e-5


@pytest.mark.parametrize("make", DATA)
def test_the_direction_is_the_best_rank_1_factor(make: Callable) -> None:
    """No other non-negative direction leaves a smaller ‖Θ − θ1·θ2‖."""
    rng = np.random.default_rng(0)
    images = make(rng)
    theta = images.reshape(-1, 24).astype(np.float64)
    direction = direction_from_gram(gram_matrix(images))
    best = np.linalg.norm(theta - np.outer(theta @ direction, direction))
    for other in np.abs(direction + 0.05 * rng.standard_normal((50, 24))):
        other /= np.linalg.norm(other)
        assert np.linalg.norm(theta - np.outer(theta @ other, other)) >= best * (1 - 1e-12)


def test_gram_matrix_is_the_whole_products() -> None:
    images = heavy_tailed(np.random.default_rng(0)).astype(np.float16)
    images = np.where(np.isfinite(images), images, 0)
    theta = images.reshape(-1, 24).astype(np.float64)
    gram = gram_matrix(images)
    assert gram.dtype == np.float64
    np.testing.assert_allclose(gram, theta.T @ theta, rtol=1e-10)
    np.testing.assert_allclose(gram, gram_matrix(images[:4]) + gram_matrix(images[4:]), rtol=1e-10)


def test_dead_features_have_no_direction() -> None:
    images = np.zeros((2, 3, 3, 5), np.float16)
    for direction in (direction_from_gram(gram_matrix(images)), direction_sklearn(images)):
        np.testing.assert_array_equal(direction, np.zeros(5))


def test_one_channel_alone() -> None:
    images = np.zeros((1, 2, 2, 3), np.float32)
    images[..., 1] = 2
    np.testing.assert_allclose(direction_from_gram(gram_matrix(images)), [0, 1, 0], atol=1e-12)


class Shard:
    """A data set of feature maps that are made when they are read, and that notes the reads."""

    shape = (400, 16, 16, 32)

    def __init__(self) -> None:
        self.reads: list[int] = []

    def __getitem__(self, row: int) -> np.ndarray:
        assert np.ndim(row) == 0, "more than one image at a time"
        self.reads.append(int(row))
        return np.random.default_rng(int(row)).random((16, 16, 32)).astype(np.float16)


def test_memory_does_not_grow_with_the_images() -> None:
    def peak(images: int) -> int:
        shard, rows = Shard(), np.arange(images) * 2
        tracemalloc.start()
        try:
            class_direction(shard, rows, "gram", 0.5)
            used = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert shard.reads == rows.tolist()  # each image once
        return used

    peak(2)  # what the first call keeps for good
    few, many = peak(20), peak(200)
    assert many < 1.1 * few
    assert many < 12 * 16 * 16 * 32 * 8  # a few copies of one image, as float64


def test_class_direction_looks_at_its_rows_alone() -> None:
    features = np.random.default_rng(0).random((6, 4, 4, 8)).astype(np.float16)
    rows = np.array([1, 4])
    expected = direction_from_gram(gram_matrix(compressed(features[rows], 0.5)))
    assert cosine(class_direction(features, rows, "gram", 0.5), expected) > 1 - 1e-12
    assert cosine(class_direction(features, rows, "sklearn", 0.5), expected) > 1 - 1e-5
    with pytest.raises(InputError, match=r"solver is gram or sklearn, not 'svd'"):
        class_direction(features, rows, "svd", 1.0)


@pytest.mark.parametrize("solver", ["gram", "sklearn"])
@pytest.mark.parametrize("scale", [0, 0.01, 1, 300])
def test_a_direction_has_unit_length_whatever_the_features_scale(solver: str, scale: float) -> None:
    features = (scale * np.random.default_rng(0).random((6, 4, 5, 8))).astype(np.float16)
    direction = class_direction(features, np.array([0, 2, 5]), solver, 0.5)
    assert np.linalg.norm(direction) == pytest.approx(1 if scale else 0)


@pytest.mark.parametrize("solver", ["gram", "sklearn"])
def test_the_check_is_scikit_learns_and_the_default_is_not(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the check would compare a solver with itself."""
    fit, calls = sklearn.decomposition.NMF.fit_transform, []

    def noting(*arguments, **options):
        calls.append(arguments)
        return fit(*arguments, **options)

    monkeypatch.setattr(sklearn.decomposition.NMF, "fit_transform", noting)
    features = np.random.default_rng(0).random((2, 3, 3, 4)).astype(np.float16)
    class_direction(features, np.arange(2), solver, 1.0)
    assert bool(calls) == (solver == "sklearn")


@pytest.mark.parametrize("compress", [1.0, 0.5])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(
    compress: float, value: float, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "0.h5", "w") as file:
        maps = np.ones((2, 2, 2, 3), np.float16)
        maps[1, 0, 1, 2] = value
        file["features"] = maps
        with pytest.raises(InputError, match=r"0\.h5: feature maps that are not finite\. Delete"):
            class_direction(file["features"], np.arange(2), "gram", compress)
