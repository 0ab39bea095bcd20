"""What objects claim of their number, their confidence and their masks, with maps of the view's
own side, so that each value can be read off."""

import numpy as np
import pytest

from isic.localization.objects import Objects, find_objects, pixel_mask


def find(map_: np.ndarray, **options) -> Objects:
    side = len(map_)
    return find_objects(map_.astype(np.float32), 0.5, side, (side, side), **options)


def test_an_object_of_just_the_least_area_counts() -> None:
    map_ = np.zeros((8, 8))
    map_[2:4, 2:4] = 1
    for all_objects in (False, True):
        assert len(find(map_, min_area=4 / 64, all_objects=all_objects).boxes) == 1
        assert len(find(map_, min_area=4.1 / 64, all_objects=all_objects).boxes) == 0


def test_the_least_area_is_a_share_of_the_image_whatever_the_map_has() -> None:
    map_ = np.zeros((9, 9), np.float32)
    map_[3:6, 3:6] = 1  # 25 × 25 of 65 × 65 above the threshold
    share = (find_objects(map_, 0.5, 65, (300, 200)).labels > 0).mean()
    assert 0.1 < share < 0.2
    for factor, number in ((0.99, 1), (1.01, 0)):
        options = {"all_objects": True, "min_area": share * factor}
        assert len(find_objects(map_, 0.5, 65, (300, 200), **options).boxes) == number


def test_no_more_objects_than_a_mask_file_can_number() -> None:
    map_ = np.zeros((65, 65))
    map_[::2, ::2] = 1
    map_[0, :2] = 1  # the largest
    found = find(map_, all_objects=True)
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
    assert find(map_).confidence.tolist() == [6 / 12]
    map_ = line((0.95, 6), (0.6, 6), (0.2, 5), (0.4, 7))  # the last are not connected with it
    assert find(map_).confidence.tolist() == [6 / 12]
    map_[21, 12] = 0.4  # this touches it, at a corner
    assert find(map_).confidence.tolist() == [6 / 13]


def test_another_object_is_no_part_of_an_objects_slope() -> None:
    map_ = line((0.95, 6), (0.4, 4), (0.95, 5))
    found = find(map_, all_objects=True)
    assert found.confidence.tolist() == [6 / 10, 5 / 9]
    assert find(map_).confidence.tolist() == [6 / 10]


def test_the_mask_of_an_object_holds_no_other_that_lies_in_its_box() -> None:
    map_ = np.zeros((16, 16), np.float32)
    map_[2:14, 2:5] = map_[11:14, 2:14] = 0.9  # an L
    map_[3:7, 8:12] = 0.9  # in its box
    found = find_objects(map_, 0.5, 16, (160, 160), all_objects=True)
    large, small = (pixel_mask(found, number, 0.5, (160, 160)) for number in (0, 1))
    assert not large[20:80, 70:140].any()
    assert large[30:130, 30:40].all()
    assert small[35:65, 85:115].all()
    assert not (large & small).any()


@pytest.mark.parametrize("size", [90, 270])
def test_in_a_larger_image_the_edge_of_a_mask_is_the_maps_own(size: int) -> None:
    """A slope from corner to corner: its edge is a straight line, not the view's pixels."""
    y, x = np.mgrid[:9, :9]
    found = find_objects(((y + x) / 16).astype(np.float32), 0.5, 9, (size, size))
    mask = pixel_mask(found, 0, 0.5, (size, size))
    y, x = (np.mgrid[:size, :size] + 0.5) * 9 / size - 0.5
    inside = (y > 0.5) & (x > 0.5) & (y < 7.5) & (x < 7.5)  # where the image's edge does not tell
    expected = y + x > 8
    assert (mask == expected)[inside].mean() > 0.99
