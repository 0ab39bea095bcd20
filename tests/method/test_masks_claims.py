"""What the pseudo-masks claim of their place, their thresholds, the exponent and their shards."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from isic.errors import InputError
from isic.method.features import write_features
from isic.method.masks import BACKGROUND, IGNORE, OBJECT, nonempty, pseudo_mask, write_masks


def test_a_mask_lies_on_its_image_corner_on_corner() -> None:
    """The positions of a map are its image's pixels 0, 8, 16: the value falls off along them."""
    map_ = np.zeros((3, 3), np.float32)
    map_[0, 0], map_[2, 1] = 4, 3
    weights = np.clip(1 - np.abs(np.arange(17)[:, None] - [0, 8, 16]) / 8, 0, 1)
    values = weights @ map_ @ weights.T
    expected = np.where(values > 1.5, OBJECT, np.where(values < 0.9, BACKGROUND, IGNORE))
    mask = pseudo_mask(map_, 17, foreground=1.5, background=0.9)
    np.testing.assert_array_equal(mask, expected)


def test_a_map_that_reaches_the_threshold_and_not_above_says_nothing() -> None:
    map_ = np.array([[0.0, 1.5], [0.5, 1.0]], np.float32)
    mask = pseudo_mask(map_, 2, foreground=1.5, background=1.0)
    np.testing.assert_array_equal(mask, np.full((2, 2), IGNORE))


def shard(folder: Path, values: list[float], labels: list[int], compress: float = 1.0) -> Path:
    """Masks of 2 × 2 maps, each with its value in a corner and zeros elsewhere, of classes 0, 1."""
    maps = np.zeros((len(values), 2, 2, 1), np.float16)
    maps[:, 0, 0, 0] = values
    ids = np.array([f"{folder.name}/{row}" for row in range(len(values))])
    folder.mkdir()
    write_features(folder / "features.h5", iter([maps]), ids, np.array(labels), {})
    with h5py.File(folder / "directions.h5", "w") as file:
        file["label"], file["direction"] = [0, 1], [[1.0], [1.0]]
        file.attrs["compress"] = compress
    with (
        h5py.File(folder / "features.h5") as features,
        h5py.File(folder / "directions.h5") as directions,
    ):
        thresholds = {"foreground": 1.5, "background": 1.0}
        write_masks(folder / "masks.h5", features, directions, 2, {"settings": "{}"}, **thresholds)
    return folder / "masks.h5"


def test_masks_put_the_directions_exponent_on_the_features(tmp_path: Path) -> None:
    """Roots of 4, 2 and 0.5: above both thresholds, between them, below; 2 itself is above both."""
    for compress, expected in ((0.5, [OBJECT, IGNORE, IGNORE]), (1.0, [OBJECT, OBJECT])):
        path = shard(tmp_path / str(compress), [4, 2, 0.5], [0, 0, 1], compress)
        with h5py.File(path) as file:
            assert file["mask"][: len(expected), 0, 0].tolist() == expected


def test_one_object_in_one_of_the_shards_is_enough_to_teach(tmp_path: Path) -> None:
    empty = shard(tmp_path / "a", [0, 1], [0, 0])
    one = shard(tmp_path / "b", [0, 4, 0], [0, 1, 1])
    assert nonempty([empty, one])
    assert nonempty([one, empty])
    assert not nonempty([empty])


def test_directions_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no direction of classes \[4\]: give the directions of"):
        shard(tmp_path / "a", [4, 4], [0, 4])
