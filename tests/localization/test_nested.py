"""Components at many thresholds at once, against one labelling a threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from isic.localization.boxes import components
from isic.localization.interpolation import upsample
from isic.localization.nested import nested_components


def check(map_: np.ndarray, thresholds: np.ndarray) -> None:
    """Every component and the largest, at each threshold."""
    map_, thresholds = map_.astype(np.float32), thresholds.astype(np.float32)
    found = nested_components(map_, thresholds)
    for place, threshold in enumerate(thresholds):
        expected = components((map_ > threshold)[None])
        held = found.boxes[(found.first <= place) & (place < found.stop)]
        assert sorted(held.tolist()) == sorted(expected.boxes.astype(int).tolist())
        box = expected.boxes[expected.largest()].astype(int).tolist()
        largest = found.largest[place]
        assert ([found.boxes[largest].tolist()] if largest >= 0 else []) == box


THRESHOLDS = np.arange(40) / 40


@given(
    arrays.arrays(
        np.float32, st.tuples(*[st.integers(1, 9)] * 2), elements=st.integers(0, 4).map(float)
    )
)
@settings(deadline=None)
def test_any_map_of_few_values(map_: np.ndarray) -> None:
    """Ties everywhere: plateaus, components of one size, passes of one height."""
    check(map_ / 4, THRESHOLDS)
    check(map_, np.array([0.0, 1, 1, 2.5, 3, 4, 7]))


@pytest.mark.parametrize("seed", range(5))
def test_smooth_and_rough_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(rng.random((17, 23)), THRESHOLDS)
    check(upsample(rng.random((1, 5, 6)) ** 4, (33, 41))[0], np.sort(rng.random(60)))
    check(upsample(rng.random((1, 4, 4)) * 1e-3, (25, 25))[0], np.arange(50) / 5e4)


@pytest.mark.parametrize("value", [0, 1e-30, 0.3, 5])
def test_flat_maps(value: float) -> None:
    check(np.full((4, 6), value), THRESHOLDS)


def test_each_box_stands_once_with_its_thresholds() -> None:
    """A small peak in a broad one: two boxes, however many thresholds there are."""
    map_ = np.zeros((9, 9))
    map_[1:8, 1:8], map_[3:5, 4:6] = 0.5, 1
    found = nested_components(map_, np.arange(1000) / 1000)
    assert sorted(found.boxes.tolist()) == [[1, 1, 8, 8], [4, 3, 6, 5]]
    assert sorted(zip(found.first.tolist(), found.stop.tolist(), strict=True)) == [
        (0, 500),
        (500, 1000),
    ]
