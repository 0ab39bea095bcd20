"""Pseudo-masks: three values from one map, written and read shard by shard."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from isic.errors import InputError
from isic.method.features import write_features
from isic.method.masks import BACKGROUND, IGNORE, OBJECT, pseudo_mask, read_masks, write_masks


def test_three_values() -> None:
    # Of its own size a map is not interpolated: each threshold can be read off.
    map_ = np.array([[0.0, 0.1], [1.25, 4.0]], np.float32)
    mask = pseudo_mask(map_, 2, foreground=1.2, background=1.0)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [[BACKGROUND, BACKGROUND], [OBJECT, OBJECT]])
    mask = pseudo_mask(map_, 2, foreground=1.5, background=0.05)
    np.testing.assert_array_equal(mask, [[BACKGROUND, IGNORE], [IGNORE, OBJECT]])
    assert (OBJECT, BACKGROUND, IGNORE) == (1, 0, 255)


def test_the_thresholds_themselves_are_left_out() -> None:
    map_ = np.array([[0.25, 0.5, 1.0, 0.125]] * 4, np.float32)
    mask = pseudo_mask(map_, 4, foreground=0.5, background=0.25)
    np.testing.assert_array_equal(mask[0], [IGNORE, IGNORE, OBJECT, BACKGROUND])


def test_a_mask_has_its_size_and_follows_the_map() -> None:
    map_ = np.zeros((6, 9), np.float32)
    map_[2:4, 3:6] = 3
    mask = pseudo_mask(map_, 40, foreground=1.5, background=1.0)
    assert mask.shape == (40, 40)
    assert set(np.unique(mask)) == {0, 1, 255}
    y, x = np.nonzero(mask == OBJECT)
    assert (y.mean(), x.mean()) == pytest.approx((19.5, 19.5), abs=0.5)


@pytest.mark.parametrize("value", [0, 0.5, 1.2])
def test_a_map_without_an_object_says_nothing(value: float) -> None:
    mask = pseudo_mask(np.full((3, 3), value, np.float32), 8, foreground=1.5, background=1.0)
    np.testing.assert_array_equal(mask, np.full((8, 8), IGNORE))


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, Path]:
    """Class 4 responds on channel 0, class 7 on channel 1, class 9 is dead."""
    maps = np.zeros((4, 4, 4, 2), np.float16)
    maps[0, :2, :2, 0] = maps[1, 2:, 2:, 0] = maps[2, :2, 2:, 1] = 8
    maps[:3, 3, 0] = 3  # of which the root is above the threshold
    ids, labels = np.array(["a/0", "a/1", "b/0", "c/0"]), np.array([4, 4, 7, 9])
    write_features(tmp_path / "features.h5", iter([maps]), ids, labels, {})
    with h5py.File(tmp_path / "directions.h5", "w") as file:
        file["label"] = [4, 7, 9]
        file["direction"] = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
        file.attrs["compress"] = 0.5
    return tmp_path / "features.h5", tmp_path / "directions.h5"


def written(shard: tuple[Path, Path], path: Path, size: int = 4) -> np.ndarray:
    with h5py.File(shard[0]) as features, h5py.File(shard[1]) as directions:
        return write_masks(
            path, features, directions, size, {"settings": "{}"}, foreground=1.5, background=1.0
        )


def test_masks_of_a_shard(shard: tuple[Path, Path], tmp_path: Path) -> None:
    shares = written(shard, tmp_path / "masks.h5")
    np.testing.assert_allclose(shares, [5 / 16, 5 / 16, 5 / 16, 0])
    with h5py.File(tmp_path / "masks.h5") as file:
        np.testing.assert_array_equal(file["object_share"], shares)
    masks = read_masks([tmp_path / "masks.h5"], ["a/0", "a/1", "b/0", "c/0"])
    for mask, place in zip(masks, (np.s_[:2, :2], np.s_[2:, 2:], np.s_[:2, 2:]), strict=False):
        expected = np.full((4, 4), BACKGROUND)
        expected[place] = expected[3, 0] = OBJECT
        np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(masks[3], np.full((4, 4), IGNORE))
    with h5py.File(tmp_path / "masks.h5") as file:
        assert file["mask"].dtype == np.uint8
        assert file["mask"].chunks == (1, 4, 4)
        assert file.attrs["settings"] == "{}"


def test_masks_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    for name, ids in {"x": ["a", "b"], "y": ["c", "d"]}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["image_id"] = np.array(ids, object)
            masks = np.array([[[ord(c)]] for c in ids], np.uint8)
            file.create_dataset("mask", data=masks, chunks=(1, 1, 1), compression="gzip")
            file["object_share"] = np.ones(len(ids))
    shards = [tmp_path / "y.h5", tmp_path / "x.h5"]
    masks = read_masks(shards, ["b", "d", "a"])
    assert masks[:][:, 0, 0].tolist() == [ord(c) for c in "bda"]
    with pytest.raises(InputError, match=r"1 images have no mask, the first d: .*--masks"):
        read_masks(shards[1:], ["a", "d", "b"])
    with pytest.raises(InputError, match="no mask"):
        read_masks([], ["a"])
