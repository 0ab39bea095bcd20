"""Pseudo-masks: three values from one map, written and read shard by shard."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from isic.errors import InputError
from isic.method.features import write_features
from isic.method.masks import (
    BACKGROUND,
    IGNORE,
    OBJECT,
    nonempty,
    pseudo_mask,
    read_masks,
    sureness,
    write_masks,
)
from isic.settings.sections import Masks


def ignoring(foreground: float, background: float) -> Masks:
    return Masks(foreground=foreground, background=background, undecided="ignore")


def black(side: int) -> np.ndarray:
    return np.zeros((side, side, 3), np.uint8)


def test_three_values() -> None:
    # Of its own size a map is not interpolated: each cut can be read off.
    map_ = np.array([[0.0, 0.1], [1.25, 4.0]], np.float32)
    mask = pseudo_mask(map_, black(2), ignoring(1.2, 1.0))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [[BACKGROUND, BACKGROUND], [OBJECT, OBJECT]])
    mask = pseudo_mask(map_, black(2), ignoring(1.5, 0.05))
    np.testing.assert_array_equal(mask, [[BACKGROUND, IGNORE], [IGNORE, OBJECT]])
    assert (OBJECT, BACKGROUND, IGNORE) == (1, 0, 255)


def test_the_cuts_themselves_are_left_out() -> None:
    map_ = np.array([[0.25, 0.5, 1.0, 0.125]] * 4, np.float32)
    mask = pseudo_mask(map_, black(4), ignoring(0.5, 0.25))
    np.testing.assert_array_equal(mask[0], [IGNORE, IGNORE, OBJECT, BACKGROUND])


def test_a_mask_has_its_size_and_follows_the_map() -> None:
    map_ = np.zeros((6, 9), np.float32)
    map_[2:4, 3:6] = 3
    mask = pseudo_mask(map_, black(40), ignoring(1.5, 1.0))
    assert mask.shape == (40, 40)
    assert set(np.unique(mask)) == {0, 1, 255}
    y, x = np.nonzero(mask == OBJECT)
    assert (y.mean(), x.mean()) == pytest.approx((19.5, 19.5), abs=0.5)


@pytest.mark.parametrize("value", [0, 0.5, 1.2])
def test_a_map_without_an_object_says_nothing(value: float) -> None:
    mask = pseudo_mask(np.full((3, 3), value, np.float32), black(8), ignoring(1.5, 1.0))
    np.testing.assert_array_equal(mask, np.full((8, 8), IGNORE))


def test_what_is_undecided_is_left_to_the_images_colours() -> None:
    """A map that spills over a bright disc is cut to it, and one that falls short is filled."""
    y, x = np.mgrid[:97, :97]
    disc = (y - 40) ** 2 + (x - 50) ** 2 < 20**2
    image = np.random.default_rng(0).integers(0, 60, (97, 97, 3)).astype(np.uint8)
    image[disc] += 150
    for width in (27, 42):
        map_ = np.clip(1 - np.hypot(y - 40, x - 50) / width, 0, 1).astype(np.float32)
        mask = pseudo_mask(map_, image, Masks())
        assert set(np.unique(mask)) == {OBJECT, BACKGROUND}
        middle = map_ > 0.4
        wrong, before = ((mask == OBJECT) != disc).sum(), (middle != disc).sum()
        assert wrong < 0.3 * before
        assert (mask[map_ > 0.6] == OBJECT).all()
        assert (mask[map_ < 0.2] == BACKGROUND).all()
        np.testing.assert_array_equal(pseudo_mask(map_, image, Masks()), mask)


@pytest.mark.parametrize("values", [[0.7, 0.7, 0.7], [0.7, 0.1, 0.1], [0.1, 0.1, 0.1]])
def test_without_two_sides_there_is_nothing_to_tell_apart(values: list[float]) -> None:
    map_ = np.float32([values] * 3)
    mask = pseudo_mask(map_, black(3), Masks())
    expected = np.where(map_ > 0.4, OBJECT, BACKGROUND) if max(values) > 0.6 else IGNORE
    np.testing.assert_array_equal(mask, np.broadcast_to(expected, (3, 3)))


def test_sureness_is_the_overlap_of_the_object_as_either_threshold_shows_it() -> None:
    own = ignoring(0.6, 0.2)
    for values, expected in (
        ([0.7, 0.9, 0.1], 1),
        ([0.7, 0.3, 0.2], 1 / 3),
        ([0.5, 0], 0),
        ([0], 0),
    ):
        assert sureness(np.float32([values]), own) == pytest.approx(expected)


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, Path]:
    """Class 4 responds on channel 0, class 7 on channel 1, class 9 is dead."""
    maps = np.zeros((4, 4, 4, 2), np.float16)
    maps[0, :2, :2, 0] = maps[1, 2:, 2:, 0] = maps[2, :2, 2:, 1] = 8
    maps[:3, 3, 0] = 3  # above the threshold, as its cube root is
    ids, labels = np.array(["a/0", "a/1", "b/0", "c/0"]), np.array([4, 4, 7, 9])
    write_features(tmp_path / "features.h5", iter([maps]), ids, labels, {})
    with h5py.File(tmp_path / "directions.h5", "w") as file:
        file["label"] = [4, 7, 9]
        file["direction"] = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
        file.attrs["compress"] = 0.5
    return tmp_path / "features.h5", tmp_path / "directions.h5"


def written(shard: tuple[Path, Path], path: Path, size: int = 4) -> np.ndarray:
    with h5py.File(shard[0]) as features, h5py.File(shard[1]) as directions:
        images = np.zeros((4, size, size, 3), np.uint8)
        own = ignoring(0.4, 0.3)
        return write_masks(path, images, features, directions, own, {"settings": "{}"})


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
            file["object_share"] = file["sure"] = np.ones(len(ids))
    shards = [tmp_path / "y.h5", tmp_path / "x.h5"]
    masks = read_masks(shards, ["b", "d", "a"])
    assert masks[:][:, 0, 0].tolist() == [ord(c) for c in "bda"]
    with pytest.raises(InputError, match=r"1 images have no mask, the first d: .*--masks"):
        read_masks(shards[1:], ["a", "d", "b"])
    with pytest.raises(InputError, match="no mask"):
        read_masks([], ["a"])


def test_a_mask_lies_on_its_image_corner_on_corner() -> None:
    """The positions of a map are its image's pixels 0, 8, 16: the value falls off along them."""
    map_ = np.zeros((3, 3), np.float32)
    map_[0, 0], map_[2, 1] = 4, 3
    weights = np.clip(1 - np.abs(np.arange(17)[:, None] - [0, 8, 16]) / 8, 0, 1)
    values = weights @ map_ @ weights.T
    expected = np.where(values > 1.5, OBJECT, np.where(values < 0.9, BACKGROUND, IGNORE))
    mask = pseudo_mask(map_, black(17), ignoring(1.5, 0.9))
    np.testing.assert_array_equal(mask, expected)


def test_a_map_that_reaches_the_cut_and_not_above_says_nothing() -> None:
    map_ = np.array([[0.0, 1.5], [0.5, 1.0]], np.float32)
    mask = pseudo_mask(map_, black(2), ignoring(1.5, 1.0))
    np.testing.assert_array_equal(mask, np.full((2, 2), IGNORE))


def masks_of(folder: Path, values: list[float], labels: list[int]) -> Path:
    """Masks of 2 × 2 maps, each with its value in a corner and zeros elsewhere, of classes 0, 1."""
    maps = np.zeros((len(values), 2, 2, 1), np.float16)
    maps[:, 0, 0, 0] = values
    return masks_from(folder, maps, labels, [[1.0], [1.0]], 1.0)


def masks_from(
    folder: Path, maps: np.ndarray, labels: list[int], vectors: list[list[float]], compress: float
) -> Path:
    ids = np.array([f"{folder.name}/{row}" for row in range(len(maps))])
    folder.mkdir()
    write_features(folder / "features.h5", iter([maps]), ids, np.array(labels), {})
    with h5py.File(folder / "directions.h5", "w") as file:
        file["label"], file["direction"] = np.arange(len(vectors)), vectors
        file.attrs["compress"] = compress
    with (
        h5py.File(folder / "features.h5") as features,
        h5py.File(folder / "directions.h5") as directions,
    ):
        images, own = np.zeros((len(maps), 2, 2, 3), np.uint8), ignoring(0.9, 0.1)
        write_masks(folder / "masks.h5", images, features, directions, own, {"settings": "{}"})
    return folder / "masks.h5"


def test_masks_put_the_directions_exponent_on_the_features(tmp_path: Path) -> None:
    """4 + 0 and 1 + 1 differ, their roots' sums 2 + 0 and 1 + 1 do not."""
    maps = np.zeros((1, 2, 2, 2), np.float16)
    maps[0, 0] = [4, 0], [1, 1]
    for compress, expected in ((1.0, IGNORE), (0.5, OBJECT)):
        path = masks_from(tmp_path / str(compress), maps, [0], [[1.0, 1.0]], compress)
        with h5py.File(path) as file:
            assert file["mask"][0, 0].tolist() == [OBJECT, expected]


def test_one_object_in_one_of_the_shards_is_enough_to_teach(tmp_path: Path) -> None:
    empty = masks_of(tmp_path / "a", [0, 0], [0, 0])
    one = masks_of(tmp_path / "b", [0, 4, 0], [0, 1, 1])
    assert nonempty([empty, one])
    assert nonempty([one, empty])
    assert not nonempty([empty])


def test_directions_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no direction of classes \[4\]: give the directions of"):
        masks_of(tmp_path / "a", [4, 4], [0, 4])
