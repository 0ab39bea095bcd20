"""Maps from directions, M = F·θ2ᵀ, and the directions' shards."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from isic.errors import InputError
from isic.method.projection import compressed, project, read_directions


def test_project_is_a_sum_over_channels() -> None:
    rng = np.random.default_rng(0)
    features, direction = rng.random((4, 5, 6)).astype(np.float32), rng.random(6)
    expected = sum(features[..., c] * direction[c] for c in range(6))
    found = project(features, direction)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_compressed() -> None:
    features = np.array([0, 1, 8, 1000], np.float16)
    np.testing.assert_array_equal(compressed(features, 1.0), features)
    np.testing.assert_allclose(compressed(features, 1 / 3), [0, 1, 2, 10], rtol=1e-5)
    assert compressed(features, 1.0).dtype == compressed(features, 0.5).dtype == np.float32


def write_shard(path: Path, labels: list[int], compress: float = 0.5) -> Path:
    with h5py.File(path, "w") as file:
        file["label"] = labels
        file["direction"] = np.array(labels)[:, None] * np.ones((1, 4))
        file.attrs["compress"] = compress
    return path


def test_read_directions(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "b.h5", [2, 3]), write_shard(tmp_path / "a.h5", [0, 1])]
    found, compress = read_directions(shards, 4)
    np.testing.assert_array_equal(found, np.arange(4)[:, None] * np.ones((1, 4)))
    assert compress == 0.5
    with pytest.raises(InputError, match=r"\[0, 1\] are missing.*--directions"):
        read_directions(shards[:1], 4)


def test_directions_of_another_compress_are_refused(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "0.h5", [0]), write_shard(tmp_path / "1.h5", [1], 1.0)]
    for first, second in (shards, shards[::-1]):
        with pytest.raises(InputError, match=rf"{second.name}: was made with --compress .*0\.5|1 "):
            read_directions([first, second], 2)
