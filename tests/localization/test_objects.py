"""Objects in a map: boxes, masks in the image's own pixels, confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic.localization.boxes import boxes_from_maps
from isic.localization.objects import Objects, find_objects, pixel_box, pixel_mask

SIDE = 65  # maps of 9 positions, 8 pixels apart


def blobs(*places: tuple[float, float, float, float]) -> np.ndarray:
    """(9, 9) float32: a bump of each height and width at y, x (positions of the map)."""
    y, x = np.mgrid[:9, :9]
    bumps = [h * np.exp(-((y - b) ** 2 + (x - a) ** 2) / w**2) for b, a, h, w in places]
    return np.max(bumps, 0).astype(np.float32)


def find(map_: np.ndarray, size: tuple[int, int] = (SIDE, SIDE), **options) -> Objects:
    return find_objects(map_, 0.5, SIDE, size, **options)


TWO = blobs((2, 2, 0.99, 1.4), (6, 6, 0.95, 2.0))


def test_one_object_is_the_box_of_the_workflow() -> None:
    expected = boxes_from_maps(TWO[None], 0.5, (SIDE, SIDE)).boxes
    assert find(TWO).boxes.tolist() == expected.tolist()
    wide = find(TWO, (130, 65)).boxes[0]
    assert wide.tolist() == (expected[0] * [2, 1, 2, 1]).tolist()


def test_all_objects_come_largest_first() -> None:
    found = find(TWO, all_objects=True)
    (x0, y0, *_), (x2, y2, x3, y3) = found.boxes
    assert len(found.boxes) == len(found.confidence) == 2
    assert x0 > x3 or y0 > y3  # the wide bump lies right and below
    assert np.prod(found.boxes[0, 2:] - found.boxes[0, :2]) > (x3 - x2) * (y3 - y2)
    areas = [int((found.labels == label).sum()) for label in found.ids]
    assert areas[0] > areas[1] > 0
    small = areas[1] / SIDE**2
    assert len(find(TWO, all_objects=True, min_area=small * 1.01).boxes) == 1
    assert len(find(TWO, all_objects=True, min_area=small * 0.99).boxes) == 2
    assert len(find(TWO, min_area=0.99).boxes) == 0


def test_a_map_below_the_threshold_has_no_object() -> None:
    found = find(np.full((9, 9), 0.4, np.float32), all_objects=True)
    assert found.boxes.shape == (0, 4)
    assert found.confidence.shape == (0,)


def test_confidence_falls_with_the_slope() -> None:
    sharp, soft = np.zeros((2, 9, 9), np.float32)
    sharp[2:7, 2:7] = 1
    soft[2:7, 2:7] = 0.6
    half = blobs((4, 4, 1.0, 2.5))
    values = [find(map_).confidence[0] for map_ in (sharp, half, soft)]
    assert 1 >= values[0] > 0.5 > values[1] > values[2] == 0


def test_confidence_of_an_object_does_not_depend_on_others() -> None:
    alone = find(blobs((2, 2, 0.99, 1.4))).confidence[0]
    both = find(TWO, all_objects=True)
    assert both.confidence[1] == pytest.approx(alone, abs=0.02)
    everywhere = find(np.ones((9, 9), np.float32))
    assert everywhere.confidence.tolist() == [1.0]


@pytest.mark.parametrize("size", [(SIDE, SIDE), (320, 200), (31, 47), (1, 500), (3, 2), (1, 1)])
def test_masks_lie_in_their_boxes_and_reach_their_sides(size: tuple[int, int]) -> None:
    found = find(TWO, size, all_objects=True)
    for number, box in enumerate(found.boxes):
        mask = pixel_mask(found, number, 0.5, size)
        assert mask.shape == (size[1], size[0])
        x0, y0, x1, y1 = pixel_box(box, size)
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
        if min(size) > 100:  # within a pixel of the view
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            corners = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            assert np.abs(np.array(corners) - box).max() <= max(size) / SIDE + 1


def test_in_the_views_own_pixels_the_mask_is_the_component() -> None:
    found = find(TWO, all_objects=True)
    for number in (0, 1):
        assert (
            pixel_mask(found, number, 0.5, (SIDE, SIDE)) == (found.labels == found.ids[number])
        ).all()


def test_masks_of_neighbours_do_not_hold_each_other() -> None:
    near = np.zeros((9, 9), np.float32)
    near[2:7, 1:4] = near[2:7, 5:8] = 0.9
    found = find(near, (640, 640), all_objects=True)
    first, second = (pixel_mask(found, number, 0.5, (640, 640)) for number in (0, 1))
    assert (first & second).sum() == 0
    assert first.sum() == pytest.approx(second.sum(), rel=0.02)


@given(
    st.floats(0, 300), st.floats(0, 200), st.floats(0, 300), st.floats(0, 200),
)  # fmt: skip
def test_a_pixel_box_holds_its_box_and_has_a_pixel(a: float, b: float, c: float, d: float) -> None:
    box = np.array([min(a, c), min(b, d), max(a, c), max(b, d)])
    x0, y0, x1, y1 = pixel_box(box, (300, 200))
    assert 0 <= x0 < x1 <= 300
    assert 0 <= y0 < y1 <= 200
    assert x0 <= box[0] + 1e-6
    assert y1 >= box[3] - 1e-6
