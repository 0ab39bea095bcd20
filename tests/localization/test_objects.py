"""Objects in a map: boxes, their number, masks in the image's own pixels, confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic.localization.boxes import boxes_from_maps
from isic.localization.objects import Objects, find_objects, pixel_box, pixel_mask, refined

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
        mask = pixel_mask(found, number, size)
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
            pixel_mask(found, number, (SIDE, SIDE)) == (found.labels == found.ids[number])
        ).all()


def test_masks_of_neighbours_do_not_hold_each_other() -> None:
    near = np.zeros((9, 9), np.float32)
    near[2:7, 1:4] = near[2:7, 5:8] = 0.9
    found = find(near, (640, 640), all_objects=True)
    first, second = (pixel_mask(found, number, (640, 640)) for number in (0, 1))
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


def find_own(map_: np.ndarray, **options) -> Objects:
    """In a map of the view's own side, so that each value can be read off."""
    side = len(map_)
    return find_objects(map_.astype(np.float32), 0.5, side, (side, side), **options)


def test_an_object_of_just_the_least_area_counts() -> None:
    map_ = np.zeros((8, 8))
    map_[2:4, 2:4] = 1
    for all_objects in (False, True):
        assert len(find_own(map_, min_area=4 / 64, all_objects=all_objects).boxes) == 1
        assert len(find_own(map_, min_area=4.1 / 64, all_objects=all_objects).boxes) == 0


def test_the_least_area_is_a_share_of_the_image_whatever_the_map_has() -> None:
    map_ = np.zeros((9, 9), np.float32)
    map_[3:6, 3:6] = 1  # 25 × 25 of 65 × 65 above the cut
    share = (find_objects(map_, 0.5, 65, (300, 200)).labels > 0).mean()
    assert 0.1 < share < 0.2
    for factor, number in ((0.99, 1), (1.01, 0)):
        options = {"all_objects": True, "min_area": share * factor}
        assert len(find_objects(map_, 0.5, 65, (300, 200), **options).boxes) == number


def test_no_more_objects_than_a_mask_file_can_number() -> None:
    map_ = np.zeros((65, 65))
    map_[::2, ::2] = 1
    map_[0, :2] = 1  # the largest
    found = find_own(map_, all_objects=True)
    assert len(found.boxes) == len(found.confidence) == len(found.ids) == 255
    assert found.boxes[0].tolist() == [0, 0, 3, 1]


def line(*values: tuple[float, int]) -> np.ndarray:
    """A map whose middle row holds so many pixels of each value, and zeros elsewhere."""
    map_ = np.zeros((41, 41))
    row = np.concatenate([np.full(n, value) for value, n in values])
    map_[20, : len(row)] = row
    return map_


def test_confidence_is_the_share_of_the_object_at_0_3_that_is_there_at_0_9() -> None:
    map_ = line((0.95, 6), (0.85, 3), (0.45, 2), (0.35, 1), (0.25, 5))
    assert find_own(map_).confidence.tolist() == [6 / 12]
    map_ = line((0.95, 6), (0.6, 6), (0.2, 5), (0.4, 7))  # the last are not connected with it
    assert find_own(map_).confidence.tolist() == [6 / 12]
    map_[21, 12] = 0.4  # this touches it, at a corner
    assert find_own(map_).confidence.tolist() == [6 / 13]


def test_another_object_is_no_part_of_an_objects_slope() -> None:
    map_ = line((0.95, 6), (0.4, 4), (0.95, 5))
    found = find_own(map_, all_objects=True)
    assert found.confidence.tolist() == [6 / 10, 5 / 9]
    assert find_own(map_).confidence.tolist() == [6 / 10]


def test_the_mask_of_an_object_holds_no_other_that_lies_in_its_box() -> None:
    map_ = np.zeros((16, 16), np.float32)
    map_[2:14, 2:5] = map_[11:14, 2:14] = 0.9  # an L
    map_[3:7, 8:12] = 0.9  # in its box
    found = find_objects(map_, 0.5, 16, (160, 160), all_objects=True)
    large, small = (pixel_mask(found, number, (160, 160)) for number in (0, 1))
    assert not large[20:80, 70:140].any()
    assert large[30:130, 30:40].all()
    assert small[35:65, 85:115].all()
    assert not (large & small).any()


@pytest.mark.parametrize("size", [90, 270])
def test_in_a_larger_image_the_edge_of_a_mask_is_the_maps_own(size: int) -> None:
    """A slope from corner to corner: its edge is a straight line, not the view's pixels."""
    y, x = np.mgrid[:9, :9]
    found = find_objects(((y + x) / 16).astype(np.float32), 0.5, 9, (size, size))
    mask = pixel_mask(found, 0, (size, size))
    y, x = (np.mgrid[:size, :size] + 0.5) * 9 / size - 0.5
    inside = (y > 0.5) & (x > 0.5) & (y < 7.5) & (x < 7.5)  # where the image's edge does not tell
    expected = y + x > 8
    assert (mask == expected)[inside].mean() > 0.99


def discs(*places: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bright discs (y, x, radius) on dark ground, their pixels, and a map of (SIDE, SIDE) that is
    1 within half of each radius, above 0.9 just beyond it, and 0 from twice of it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    far = np.min([np.hypot(y - b, x - a) / radius for b, a, radius in places], 0)
    noise = np.random.default_rng(0).integers(-9, 10, (SIDE, SIDE, 3))
    image = (np.where(far < 1, 190, 40)[..., None] + noise).astype(np.uint8)
    return image, far < 1, np.interp(far, [0.5, 1.1, 2], [1, 0.92, 0]).astype(np.float32)


def test_a_refined_object_ends_where_its_colours_end() -> None:
    image, disc, map_ = discs((30, 34, 12))
    size = (4 * SIDE, 3 * SIDE)
    spilt = find_objects(map_, 0.4, SIDE, size)
    found = find_objects(map_, 0.4, SIDE, size, mask=refined(map_, image))
    expected = np.array([23 * 4, 19 * 3, 46 * 4, 42 * 3])
    assert np.abs(spilt.boxes[0] - expected).min() > 10
    assert np.abs(found.boxes[0] - expected).max() <= 4
    assert found.confidence.tolist() == spilt.confidence.tolist() == pytest.approx([0.44], abs=0.02)
    mask = pixel_mask(found, 0, size)
    enlarged = disc.repeat(3, 0).repeat(4, 1)
    assert (mask & enlarged).sum() / (mask | enlarged).sum() > 0.95
    assert (pixel_mask(spilt, 0, size) & ~enlarged).sum() > enlarged.sum()


def test_refined_objects_have_their_own_masks() -> None:
    image, disc, map_ = discs((18, 18, 9), (38, 38, 12))
    assert len(find_objects(map_, 0.4, SIDE, (SIDE, SIDE), all_objects=True).boxes) == 1
    found = find_objects(map_, 0.4, SIDE, (SIDE, SIDE), mask=refined(map_, image), all_objects=True)
    assert np.abs(found.boxes - [[27, 27, 50, 50], [10, 10, 27, 27]]).max() <= 1
    large, small = (pixel_mask(found, number, (SIDE, SIDE)) for number in (0, 1))
    assert not (large & small).any()
    assert ((large | small) ^ disc).sum() <= 0.05 * disc.sum()


def test_where_nothing_is_refined_the_map_counts() -> None:
    image, _, map_ = discs((30, 34, 12))
    for faint, number in ((map_ * 0, 0), (map_ * 0.4, 1)):
        mask = refined(faint, image)
        assert not mask.any()
        assert len(find_objects(faint, 0.3, SIDE, (SIDE, SIDE), mask=mask).boxes) == number
