"""Boxes from maps, views and overlaps, on cases made by hand and against other implementations:
which component is boxed, what the image's edge does, each of many images.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic.errors import InputError
from isic.localization.boxes import View, boxes_from_maps, extract, from_view, iou, to_view
from isic.localization.interpolation import upsample
from isic.localization.objects import find_objects

WSOL_MAP = np.array(
    [[0, 0, 0, 0, 0], [0, 0.4, 0.4, 0.4, 0.6], [0, 0.4, 1, 0.8, 0.6], [0, 0.4, 0.4, 0.4, 0.6]]
)
corner = st.integers(0, 30)
box = st.tuples(corner, corner, corner, corner).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def test_iou_by_hand():
    assert iou([0, 0, 4, 4], [2, 0, 6, 4]) == pytest.approx(8 / 24)
    assert iou([0, 0, 1, 1], [1, 0, 2, 1]) == 0
    assert iou([3, 3, 3, 5], [3, 3, 3, 5]) == 0  # no area


def test_iou_as_wsolevaluation_counts():
    assert iou([1, 2, 5, 6], [3, 1, 4, 5], plus_one=True) == pytest.approx(8 / 27)
    assert iou([5, 5, 5, 5], [5, 5, 5, 5], plus_one=True) == 1


@pytest.mark.parametrize("bad", [[1, 1, 0, 0], [0, 0, np.nan, 1], [0, 0, np.inf, 1]])
def test_iou_rejects_what_is_no_box(bad):
    with pytest.raises(ValueError, match="not a box"):
        iou(bad, [0, 0, 1, 1])


def test_iou_broadcasts():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 4, 4], [1, 1, 3, 3]])
    table = iou(boxes[:, None], boxes[None])
    assert table.shape == (3, 3)
    np.testing.assert_allclose(np.diag(table), 1)
    assert table[0, 1] == pytest.approx(4 / 16)


@given(box, box, st.booleans())
def test_iou_is_what_counting_pixels_gives(a, b, plus_one):
    def painted(b):
        canvas = np.zeros((32, 32), bool)
        canvas[b[1] : b[3] + plus_one, b[0] : b[2] + plus_one] = True
        return canvas

    union = (painted(a) | painted(b)).sum()
    expected = (painted(a) & painted(b)).sum() / union if union else 0
    assert iou(a, b, plus_one) == pytest.approx(expected)
    assert iou(a, b, plus_one) == iou(b, a, plus_one)


def test_views_by_hand():
    size, view = np.array([[512, 128]]), View(256, 224)
    np.testing.assert_allclose(
        to_view(np.array([[0.0, 8, 512, 64]]), size, view), [[0, 0, 224, 112]]
    )
    np.testing.assert_allclose(
        from_view(np.array([[0.0, 0, 224, 112]]), size, view), [[32, 8, 480, 64]]
    )
    gone = to_view(np.array([[0.0, 0, 30, 128]]), size, view)
    assert gone[0, 2] == gone[0, 0]
    np.testing.assert_allclose(
        from_view(np.array([[0.0, 0, 256, 256]]), size, View(256)), [[0, 0, 512, 128]]
    )


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([View(256), View(256, 224)]))
def test_views_undo_each_other(width, height, view):
    boxes, size = np.array([[1.0, 2, view.side / 2, view.side]]), np.array([[width, height]])
    np.testing.assert_allclose(to_view(from_view(boxes, size, view), size, view), boxes, atol=1e-9)


def boxes_from_map(map, *threshold, **more):
    """Boxes and scores of one map."""
    found = boxes_from_maps(map[None], *threshold, **more)
    return found.boxes, found.score


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [1, 1, 4, 3]),
        (0.2, [1, 1, 4, 3]),
        (0.4, [2, 1, 4, 3]),
        (0.6, [2, 2, 4, 3]),
        (0.8, [2, 2, 3, 3]),
    ],
)
@pytest.mark.parametrize("scale", [1, 7])
def test_box_of_wsolevaluations_example(threshold, expected, scale):
    boxes, _ = boxes_from_map(WSOL_MAP * scale, threshold * scale, (4, 5))
    clipped = np.minimum(boxes, [4, 3, 4, 3])  # that tool's inclusive, clipped coordinates
    assert clipped.tolist() == [expected]


def test_largest_component_counts_and_corners_connect():
    map = np.zeros((6, 8))
    map[0, 0] = map[1, 1] = map[2, 2] = 0.9  # three pixels, joined at their corners
    map[4, 4:6] = 1.0
    boxes, scores = boxes_from_map(map, 0.5, (6, 8))
    assert boxes.tolist() == [[0, 0, 3, 3]]
    assert scores == pytest.approx([0.9])
    boxes, scores = boxes_from_map(map, 0.5, (6, 8), all_components=True)
    assert boxes.tolist() == [[0, 0, 3, 3], [4, 4, 6, 5]]
    assert scores == pytest.approx([0.9, 1])


def test_threshold_and_score_are_in_the_maps_unit():
    map = np.zeros((4, 4))
    map[1:3, 1:3] = 1.6
    assert len(boxes_from_map(map, 2, (4, 4))[0]) == 0
    boxes, scores = boxes_from_map(map, 1.5, (4, 4))
    assert boxes.tolist() == [[1, 1, 3, 3]]
    assert scores == pytest.approx([1.6])


def test_no_box_in_a_zero_map_nor_run_over_into_the_next():
    maps = np.zeros((3, 4, 4))
    maps[0, 3] = 1  # last line of the first, first line of the third: must not join
    maps[2, 0] = 1
    found = boxes_from_maps(maps, 0.5, (4, 4))
    assert found.map.tolist() == [0, 2]
    assert found.boxes.tolist() == [[0, 3, 4, 4], [0, 0, 4, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_broken_maps_are_errors(bad):
    map = np.ones((3, 3))
    map[1, 1] = bad
    with pytest.raises(InputError, match="negative, infinite or NaN"):
        boxes_from_map(map, 0.5, (3, 3))


def index_of(sizes, split="test"):
    width, height = zip(*sizes, strict=True)
    names = [f"test/bird/{i}.jpg" for i in range(len(sizes))]
    return pd.DataFrame(
        {"image_id": names, "split": split, "class": "bird", "width": width, "height": height}
    )


def write_maps(path, image_id, full, crop, relative=True):
    with h5py.File(path, "w") as file:
        file["image_id"] = list(image_id)
        file["full"], file["crop"] = full.astype(np.float16), crop.astype(np.float16)
        file.attrs.update({"resize": 256, "crop": 224, "relative": relative})


def test_extract_gives_original_pixels_in_the_order_of_the_index(tmp_path):
    index = index_of([(512, 256), (100, 100), (256, 128)])
    full, crop = np.zeros((3, 256, 256)), np.zeros((3, 224, 224))
    full[0, 64:128, 32:96] = 1  # maps in another order than the index
    full[1, 0:256, 0:128] = 1
    crop[0, 48:112, 16:80] = 1  # the same object, 16 pixels in from the crop's edge
    write_maps(tmp_path / "maps.h5", index["image_id"].iloc[[2, 0, 1]], full, crop)
    boxes, crop_boxes = extract(index, tmp_path / "maps.h5", 0.5)
    assert boxes["image_id"].tolist() == ["test/bird/0.jpg", "test/bird/2.jpg"]
    assert boxes[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [
        [0, 0, 256, 256],
        [32, 32, 96, 64],
    ]
    assert boxes["score"].tolist() == [1, 1]
    assert crop_boxes["image_id"].tolist() == ["test/bird/2.jpg"]
    np.testing.assert_allclose(crop_boxes[["x0", "y0", "x1", "y1"]], [[32, 32, 96, 64]])


def test_extract_refuses_maps_of_other_images(tmp_path):
    index = index_of([(10, 10), (10, 10)])
    maps = np.ones((2, 4, 4))
    write_maps(tmp_path / "maps.h5", ["test/bird/0.jpg", "test/bird/9.jpg"], maps, maps)
    with pytest.raises(InputError, match="not the 2 test images"):
        extract(index, tmp_path / "maps.h5", 0.5)


def test_extract_takes_the_training_images_where_there_is_no_test_image(tmp_path):
    index = index_of([(256, 256), (256, 256)], split="train")
    maps = np.ones((2, 4, 4))
    write_maps(tmp_path / "maps.h5", index["image_id"], maps, maps)
    boxes, _ = extract(index, tmp_path / "maps.h5", 0.5)
    assert boxes["image_id"].tolist() == index["image_id"].tolist()


def test_extract_names_the_file_of_a_broken_map(tmp_path):
    index = index_of([(10, 10)])
    write_maps(
        tmp_path / "maps.h5", index["image_id"], np.full((1, 4, 4), np.nan), np.ones((1, 4, 4))
    )
    with pytest.raises(InputError, match=r"maps\.h5.*full"):
        extract(index, tmp_path / "maps.h5", 0.5)


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


def test_what_only_reaches_the_cut_is_not_boxed() -> None:
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
