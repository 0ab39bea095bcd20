"""Metrics of maps: MaxBoxAcc and its version 2, whose threshold is chosen with the test boxes, and
PxAP.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scored import boxes_of, index_of, run, table, topk_of
from sklearn.metrics import average_precision_score

from isic.errors import InputError
from isic.evaluation.oracles import (
    IOUS,
    LARGEST,
    SHARES,
    _outcomes,
    max_box_acc,
    pixel_counts,
    pxap,
)
from isic.evaluation.protocols import Truth, best_overlaps, hits
from isic.localization.boxes import View, components, from_view, read_maps
from isic.localization.interpolation import upsample


def test_max_box_acc_chooses_its_cut_and_multiplies_boxes(tmp_path):
    index = index_of(["a", "a", "a"])
    truth = table([("i0", 64, 64, 128, 128), ("i1", 64, 64, 192, 192), ("i2", 160, 160, 192, 192)])
    maps = np.zeros((3, 256, 256), np.float16)
    maps[0, 32:224, 32:224], maps[0, 64:128, 64:128] = 0.3, 1  # right above 0.3 only
    maps[1, 64:192, 64:192], maps[1, 64:72, 64:72] = 0.7, 1  # right below 0.7 only
    maps[2, 32:96, 32:96], maps[2, 160:192, 160:192] = 1, 1  # right in its smaller component
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = list(index["image_id"])
        file["full"], file["crop"] = maps, maps[:, 16:240, 16:240]
        file.attrs.update({"resize": 256, "crop": 224, "relative": True})
    figures = max_box_acc(Truth.of(index, truth), tmp_path / "maps.h5")
    assert list(figures) == ["crop", "resize", "original"]
    for oracle in figures.values():
        assert oracle["max_box_acc"] == pytest.approx(200 / 3)
        assert 0.3 <= oracle["max_box_acc_cut"] < 0.7
        assert oracle["max_box_acc_v2"] == pytest.approx(100)
        assert "test boxes" in oracle["oracles"]
    result = run(index, truth, truth, truth, topk_of("a", "a", "a"), maps=tmp_path / "maps.h5")
    assert result["protocols"]["crop"]["max_box_acc"] == pytest.approx(200 / 3)


def pxap_of(maps, masks, bins: int = 1000) -> float:
    pairs = zip(maps, masks, strict=True)
    return pxap(sum(pixel_counts(map_, mask, bins) for map_, mask in pairs))


def test_pxap_fixed_points():
    masks = np.random.default_rng(0).random((4, 20, 30)) < 0.2
    assert pxap_of(masks.astype(float), masks) == pytest.approx(100)
    assert pxap_of(np.full(masks.shape, 0.4), masks) == pytest.approx(100 * masks.mean())


def test_pxap_is_average_precision():
    rng = np.random.default_rng(0)
    masks = rng.random((3, 16, 16)) < 0.3
    maps = rng.integers(0, 65, masks.shape) / 64
    expected = average_precision_score(masks.ravel(), maps.ravel())
    assert pxap_of(maps, masks, bins=64) == pytest.approx(100 * expected)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_pxap_rejects_broken_maps(bad):
    with pytest.raises(InputError, match="outside 0 … 1"):
        pixel_counts(np.full((2, 2), bad), np.ones((2, 2), bool))


def oracle(
    folder: Path, truth: pd.DataFrame, *maps: dict[float, tuple], relative: bool = True
) -> dict:
    """MaxBoxAcc of maps that have each value in its box, the later over the earlier."""
    index = index_of("a" * len(maps), 64)
    full = np.zeros((len(maps), 64, 64), np.float16)
    for map_, boxes in zip(full, maps, strict=True):
        for value, (x0, y0, x1, y1) in boxes.items():
            map_[y0:y1, x0:x1] = value
    with h5py.File(folder / "maps.h5", "w") as file:
        file["image_id"] = index["image_id"].tolist()
        file["full"], file["crop"] = full, full[:, 8:56, 8:56]
        file.attrs.update({"resize": 64, "crop": 48, "relative": relative})
    found = max_box_acc(
        Truth.of(index, truth), folder / "maps.h5", ["crop", "original"], resize=64, crop=48
    )
    assert found["crop"] == found["original"]  # all that is drawn lies within the crop
    return found["original"]


SMALL, LARGE = (24, 24, 32, 32), (12, 12, 48, 48)
BOTH = boxes_of((0, *SMALL), (1, *LARGE))


def test_one_cut_serves_all_images(tmp_path: Path) -> None:
    """The first is right above 0.5 only, the second below; each image's own cut would give 100."""
    found = oracle(tmp_path, BOTH, {0.5: LARGE, 1: SMALL}, {0.5: LARGE, 1: SMALL})
    assert found["max_box_acc"] == found["max_box_acc_v2"] == 50


def test_what_reaches_the_cut_is_below_it(tmp_path: Path) -> None:
    found = oracle(tmp_path, BOTH[:1], {0.5: LARGE, 1: SMALL})
    assert found["max_box_acc"] == 100
    assert found["max_box_acc_cut"] == 0.5


def test_thresholds_are_those_of_wsolevaluation(tmp_path: Path) -> None:
    """0, 0.001 … 0.999; the lowest of the best. Half precision has 0.998 and 0.9985 there."""
    found = oracle(tmp_path, BOTH[:1], {0.998: LARGE, 1: SMALL})
    assert found["max_box_acc"] == 100
    assert found["max_box_acc_cut"] == 0.999
    found = oracle(tmp_path, BOTH[:1], {0.333: LARGE, 0.3345: SMALL, 1: (28, 28, 30, 30)})
    assert found["max_box_acc_cut"] == 0.334


@pytest.mark.parametrize("scale", [0.2, 8])
def test_the_own_units_oracle_finds_what_a_fixed_threshold_does(
    scale: float, tmp_path: Path
) -> None:
    """One map is right between half its maximum and it, the other below, both at one value."""
    right, wrong = 1.2 * scale / 8, 0.9 * scale / 8
    maps = {wrong: LARGE, right: SMALL}, {wrong: LARGE, right: SMALL, scale: (28, 28, 30, 30)}
    found = oracle(tmp_path, boxes_of((0, *SMALL), (1, *SMALL)), *maps)
    assert found["own_unit_max_box_acc"] == 100 > found["max_box_acc"] == 50
    assert wrong - 0.001 <= found["own_unit_max_box_acc_cut"] < right
    assert found["own_unit_max_box_acc_v2"] == 100


def test_the_runs_own_threshold_is_tried_between_those_of_the_grid(tmp_path: Path) -> None:
    index, truth = index_of("a", 64), boxes_of((0, *SMALL))
    full = np.zeros((1, 64, 64), np.float16)
    full[0, 12:48, 12:48], full[0, 24:32, 24:32], full[0, 28, 28] = 1.402, 1.407, 3
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"], file["full"], file["crop"] = ["i0"], full, full[:, 8:56, 8:56]
        file.attrs.update({"resize": 64, "crop": 48, "relative": True})
    for threshold, expected in ((None, 0), (1.405, 100)):
        found = max_box_acc(
            *(Truth.of(index, truth), tmp_path / "maps.h5", ["original"], 64, 48),
            threshold=threshold,
        )["original"]
        assert found["own_unit_max_box_acc"] == expected
        assert found["own_unit_max_box_acc_cut"] == (threshold or 0)


def one_by_one(
    truth: Truth, maps: np.ndarray, view: View, protocol: str, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Overlaps of the largest component's box, and the best of all: each map at each threshold.

    Args:
        thresholds: (n, t).
    """
    largest, every = np.zeros((2, *thresholds.shape))
    for i, full in enumerate(upsample(maps, (view.side, view.side))):
        for k, threshold in enumerate(thresholds[i].astype(np.float32)):
            found = components((full > threshold)[None])
            image = np.full(len(found.area), i)
            boxes = from_view(found.boxes, truth.sizes[image], view)
            overlaps = best_overlaps(boxes, image, truth, protocol, 64, 48)
            every[i, k] = overlaps.max(initial=0)
            largest[i, k] = overlaps[found.largest()].sum()
    return largest, every


@pytest.mark.parametrize("protocol", ["crop", "resize", "original"])
@pytest.mark.parametrize("relative", [True, False])
def test_oracles_are_those_of_one_threshold_after_the_other(
    protocol: str, relative: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    n, index = 12, index_of("a" * 12, 64)
    low = rng.integers(0, 30, (n, 2))
    truth = Truth.of(index, boxes_of(*((i, *low[i], *(low[i] + 25)) for i in range(n))))
    maps = (rng.random((n, 9, 9)) ** 3 * rng.uniform(0.5, 3, (n, 1, 1))).astype(np.float16)
    maps[3] = 0
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"], file["full"], file["crop"] = list(index["image_id"]), maps, maps
        file.attrs.update({"resize": 64, "crop": 48, "relative": relative})
    found = max_box_acc(truth, tmp_path / "maps.h5", [protocol], 64, 48, workers=3)[protocol]
    view = View(64, 48) if protocol == "crop" else View(64)
    full = upsample(maps, (view.side, view.side))
    peaks = full.max((1, 2))[:, None] if relative else np.ones((n, 1))
    grids = {"": SHARES.astype(np.float32) * peaks.astype(np.float32)}
    grids["own_unit_"] = np.broadcast_to(10 * SHARES, (n, len(SHARES)))
    for name, thresholds in grids.items():
        chosen = slice(None, None, 7)  # of 1,000 the reference takes minutes
        largest, every = one_by_one(truth, maps, view, protocol, thresholds[:, chosen])
        assert found[f"{name}max_box_acc"] >= 100 * hits(largest, protocol).mean(0).max()
        bits = _bits(truth, tmp_path / "maps.h5", protocol)[name][:, chosen]
        assert np.array_equal(bits >> LARGEST & 1, hits(largest, protocol))
        for bit, least in enumerate(IOUS):
            assert np.array_equal(bits >> bit & 1, hits(every, protocol, least))


def _bits(truth: Truth, path: Path, protocol: str) -> dict[str, np.ndarray]:
    """All outcomes, by grid, as the figures are made of them: (n, t)."""
    name, grids = "crop" if protocol == "crop" else "full", {"": SHARES, "own_unit_": 10 * SHARES}
    with h5py.File(path) as file:
        maps = read_maps(file, truth.image_id)
        rows, values = next(maps.batches(name))
        found = _outcomes(maps, name, rows, values, grids, truth, [protocol], 64, 48)
        return {grid: bits for _, grid, bits in found}


@pytest.mark.parametrize("relative", [True, False])
def test_maps_are_cut_at_a_share_of_their_maximum_if_their_scale_tells_nothing(
    relative: bool, tmp_path: Path
) -> None:
    """Both are right above half of their maximum; at one value for both no more than one is."""
    truth = boxes_of((0, *SMALL), (1, *SMALL))
    maps = {0.1: LARGE, 0.2: SMALL}, {0.45: LARGE, 0.9: SMALL}
    found = oracle(tmp_path, truth, *maps, relative=relative)
    assert found["max_box_acc"] == (100 if relative else 50)
    maps = {10: LARGE, 20: SMALL}, {0.45: LARGE, 0.9: SMALL}
    if relative:
        assert oracle(tmp_path, truth, *maps)["max_box_acc"] == 100


def test_each_overlap_of_v2_has_its_own_cut(tmp_path: Path) -> None:
    """Below 0.5 all three overlap by 0.4 with the true box, above it one does, wholly."""
    loose = (20, 20, 40, 30)  # 200 pixels, the 80 of the true box among them
    right = (20, 20, 28, 30)
    truth = boxes_of(*((i, *right) for i in range(3)))
    nothing = {0.5: loose, 1: (38, 28, 40, 30)}
    found = oracle(tmp_path, truth, {0.5: loose, 1: right}, nothing, nothing)
    assert found["max_box_acc"] == pytest.approx(100 / 3)
    assert found["max_box_acc_v2"] == pytest.approx((100 + 100 / 3 + 100 / 3) / 3)
    low, middle, high = found["max_box_acc_v2_cuts"]
    assert low < 0.5 <= middle == high


@pytest.mark.parametrize(("pixels", "levels"), [(25, 0), (35, 1), (65, 2), (75, 3)])
def test_v2_asks_for_overlaps_of_0_3_0_5_and_0_7(pixels: int, levels: int, tmp_path: Path) -> None:
    """Of a true box of 100 pixels a component holds so many."""
    truth = boxes_of((0, 20, 20, 40, 25))
    found = oracle(tmp_path, truth, {1: (20, 20, 20 + pixels // 5, 25)})
    assert found["max_box_acc_v2"] == pytest.approx(100 * levels / 3)
    assert found["max_box_acc"] == 100 * (levels >= 2)


def test_max_box_acc_boxes_the_largest_component_and_v2_any(tmp_path: Path) -> None:
    """The first component is a speck, the last the object."""
    found = oracle(
        tmp_path, boxes_of((0, 30, 30, 44, 44)), {0.9: (10, 10, 12, 12), 1: (30, 30, 44, 44)}
    )
    assert found["max_box_acc"] == found["max_box_acc_v2"] == 100
    found = oracle(
        tmp_path, boxes_of((0, 10, 10, 14, 14)), {1: (10, 10, 14, 14), 0.9: (30, 30, 44, 44)}
    )
    assert found["max_box_acc_v2"] == 100
    found = oracle(
        tmp_path, boxes_of((0, 10, 10, 14, 14)), {0.9: (10, 10, 14, 14), 1: (30, 30, 44, 44)}
    )
    assert found["max_box_acc"] == 0
    assert found["max_box_acc_v2"] == 100


def test_the_interval_of_v2_holds_95_of_100_resamplings(tmp_path: Path) -> None:
    """40 of 80 images are right: ± 1.96 standard deviations of the share of 80 draws."""
    right, wrong = {1: SMALL}, {1: (40, 40, 44, 44)}
    truth = boxes_of(*((i, *SMALL) for i in range(80)))
    low, high = oracle(tmp_path, truth, *[right, wrong] * 40)["max_box_acc_v2_interval"]
    deviation = 100 * np.sqrt(0.25 / 80)
    assert low == pytest.approx(50 - 1.96 * deviation, abs=1.5)
    assert high == pytest.approx(50 + 1.96 * deviation, abs=1.5)


def test_the_crops_oracle_comes_from_the_crops_maps(tmp_path: Path) -> None:
    """The full view has the object where the centre crop has nothing, and the other way round."""
    index, truth = index_of("a", 64), boxes_of((0, *SMALL))
    full, crop = np.zeros((2, 1, 64, 64), np.float16)
    full[0, 24:32, 24:32] = 1
    for maps, expected in (((full, crop), [0, 100]), ((crop, full), [100, 0])):
        with h5py.File(tmp_path / "maps.h5", "w") as file:
            file["image_id"] = ["i0"]
            file["full"], file["crop"] = maps[0], maps[1][:, 8:56, 8:56]
            file.attrs.update({"resize": 64, "crop": 48, "relative": True})
        found = max_box_acc(
            Truth.of(index, truth), tmp_path / "maps.h5", ["crop", "original"], 64, 48
        )
        assert [figures["max_box_acc"] for figures in found.values()] == expected


def test_the_oracle_compares_in_the_data_sets_own_view(tmp_path: Path) -> None:
    """32² of 64²: of a true box that is the whole image the crop shows all it can be asked for."""
    index, truth = index_of("a", 64), boxes_of((0, 0, 0, 64, 64))
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = ["i0"]
        file["full"] = file["crop"] = np.ones((1, 4, 4), np.float16)
        file.attrs.update({"resize": 64, "crop": 32, "relative": False})
    found = max_box_acc(Truth.of(index, truth), tmp_path / "maps.h5", resize=64, crop=32)
    assert [figures["max_box_acc_v2"] for figures in found.values()] == pytest.approx([100] * 3)


def test_pxap_does_not_stretch_a_map() -> None:
    """A faint map with the object elsewhere ranks behind a sure one; stretched, it would not."""
    maps, masks = np.zeros((2, 2, 4)), np.zeros((2, 2, 4), bool)
    maps[0, 0], maps[1, 0] = 0.9, 0.1
    masks[0, 0], masks[1, 1] = True, True
    # 4 of 4 at 0.9; 4 of 8 at 0.1; 8 of 16 at 0.
    assert pxap_of(maps, masks) == pytest.approx(100 * (0.5 + 0.5 * 0.5))
