"""What boxes claim of the component they choose, of the image's edge, and of many images."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from isic.errors import InputError
from isic.localization.boxes import View, boxes_from_maps, extract, from_view
from isic.localization.interpolation import upsample
from isic.localization.objects import find_objects


def one_box(map_: np.ndarray, threshold: float) -> list[float]:
    """The box of a map in its own pixels; that of a single image's objects is the same."""
    (box,) = boxes_from_maps(map_[None], threshold, map_.shape).boxes.tolist()
    side = len(map_)
    assert find_objects(map_, threshold, side, (side, side)).boxes.tolist() == [box]
    return box


def test_the_largest_component_has_the_most_pixels() -> None:
    """Not the widest box, not the brightest, not the first."""
    map_ = np.zeros((16, 16), np.float32)
    map_[0, :10] = map_[:10, 0] = 0.9  # 19 pixels in a box of 100
    map_[12:16, 12:16] = 0.6  # 16 pixels
    map_[4:9, 4:9] = 0.55  # 25 pixels, and the faintest of all
    assert one_box(map_, 0.5) == [4, 4, 9, 9]


def test_of_components_as_large_the_first_is_boxed() -> None:
    map_ = np.zeros((8, 8), np.float32)
    map_[1, 5:7] = map_[5, 1:3] = 1
    assert one_box(map_, 0.5) == [5, 1, 7, 2]


def test_what_only_reaches_the_threshold_is_not_boxed() -> None:
    map_ = np.full((4, 4), 0.5, np.float32)
    assert len(boxes_from_maps(map_[None], 0.5, (4, 4)).boxes) == 0
    assert len(find_objects(map_, 0.5, 4, (4, 4)).boxes) == 0
    map_[2, 2] = np.nextafter(np.float32(0.5), np.float32(1))
    assert one_box(map_, 0.5) == [2, 2, 3, 3]


@pytest.mark.parametrize("view", [View(256), View(225), View(256, 224)])
def test_a_box_never_leaves_its_image_by_a_rounding(view: View) -> None:
    width, height = np.mgrid[1:200, 1:200].reshape(2, -1)
    sizes = np.stack([width, height], axis=1)
    whole = np.tile([-view.margin, -view.margin, *[view.resize - view.margin] * 2], (len(sizes), 1))
    found = from_view(whole.astype(float), sizes, view)
    assert (found >= 0).all()
    assert (found[:, 2:] <= sizes).all()
    np.testing.assert_allclose(found[:, 2:], sizes)


def test_each_of_many_images_gets_its_own_box(tmp_path: Path) -> None:
    """More than are looked at together, and in another order than the index has them."""
    n = 40
    index = pd.DataFrame(
        {
            "image_id": [f"{i}.jpg" for i in range(n)],
            "split": "test",
            "class": "bird",
            "width": 64,
            "height": 32 * (1 + np.arange(n) % 2),
        }
    )
    order = np.random.default_rng(0).permutation(n)
    maps = np.zeros((n, 64, 64), np.float16)
    for place, i in enumerate(order):
        maps[place, 12 : 14 + i, 8 : 20 + i] = 1
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = index["image_id"].to_numpy()[order].astype(object)
        file["full"], file["crop"] = maps, maps[:, 8:56, 8:56]
        file.attrs.update({"resize": 64, "crop": 48, "relative": False})
    scale = index["height"].to_numpy() / 64
    # The crop is 48 of the 64 pixels; the whole image may be looked at in as few as that.
    for found, low, high, within in zip(
        extract(index, tmp_path / "maps.h5", 0.5), (0, 8), (64, 56), (1.4, 1e-9), strict=True
    ):
        assert found["image_id"].tolist() == index["image_id"].tolist()
        x = np.clip([np.full(n, 8), 20 + np.arange(n)], low, high)
        y = np.clip([np.full(n, 12), 14 + np.arange(n)], low, high) * scale
        np.testing.assert_allclose(found[["x0", "x1"]], x.T, atol=within)
        np.testing.assert_allclose(found[["y0", "y1"]], y.T, atol=within)


def test_the_broken_map_is_the_one_that_is_named() -> None:
    maps = np.ones((4, 3, 3), np.float32)
    maps[2, 1, 1] = -1
    with pytest.raises(InputError, match="map 2 of 4 holds a negative"):
        upsample(maps, (6, 6))
