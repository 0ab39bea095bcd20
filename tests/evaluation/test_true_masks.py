"""Masks against true ones: the formulas against naive writings of them, and masks drawn by hand."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage
from scored import boxes_of, index_of, scored, topk_of

from isic.evaluation.protocols import Truth
from isic.evaluation.scores import score
from isic.evaluation.tables.ablation import ablation
from isic.evaluation.tables.printing import format_table
from isic.evaluation.true_masks import boundary, mask_figures, mask_overlaps, without_gaps
from isic.localization.objects import find_objects, object_mask, pixel_mask

SIDE = 100  # of an image: outlines are 3 pixels wide, 2 % of 141


def square(x0: int, x1: int, y0: int = 20, y1: int = 60) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def png(mask: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def distance(pixel: tuple[int, int], others: np.ndarray) -> float:
    """As a king moves, to the nearest of `others` (n, 2)."""
    return np.abs(others - pixel).max(1).min() if len(others) else np.inf


def drawn(rng: np.random.Generator) -> np.ndarray:
    """A mask of blobs that may reach the frame: (h, w) bool."""
    return ndimage.gaussian_filter(rng.random(rng.integers(5, 25, 2)), 1.5) > 0.5


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_outline_is_that_of_the_formula(width: int) -> None:
    rng = np.random.default_rng(width)
    for mask in (drawn(rng) for _ in range(5)):
        framed = np.argwhere(~np.pad(mask, 1)) - 1  # with what lies around the image
        near = [[m and distance((y, x), framed) <= width for x, m in enumerate(row)]
                for y, row in enumerate(mask)]  # fmt: skip
        assert (boundary(mask, width) == near).all()
        eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), width)[1:-1, 1:-1]
        assert (boundary(mask, width) == (mask & ~eroded)).all()  # as its authors write it


def test_what_is_not_counted_goes_to_the_nearer_side() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        true = drawn(rng).astype(np.uint8)
        true[drawn(rng)[: len(true), : true.shape[1]].nonzero()] = 255
        true[0, 0] = 1
        sides = [np.argwhere(true == value) for value in (1, 0)]
        naive = [[distance((y, x), sides[0]) < distance((y, x), sides[1])
                  for x in range(true.shape[1])] for y in range(len(true))]  # fmt: skip
        assert (without_gaps(true) == naive).all()
    assert without_gaps(np.array([[1, 255, 255]], np.uint8)).all()  # no background


def test_overlaps_by_hand() -> None:
    true = square(20, 60)
    assert mask_overlaps(true > 0, true) == (1, 1)
    assert mask_overlaps(np.zeros_like(true, bool), true) == (0, 0)
    overlap, edge = mask_overlaps(square(30, 70) > 0, true)
    assert overlap == pytest.approx(1200 / 2000)
    # Frames of 40² - 34² pixels. Shared: the ends of two sides, 2 · 3 · 30, and of the other two,
    # which cross, none.
    assert edge == pytest.approx(180 / (2 * 444 - 180))


def test_a_small_shift_costs_the_outline_more_than_the_area() -> None:
    true = square(20, 60)
    for shift in (1, 2, 4):
        overlap, edge = mask_overlaps(square(20 + shift, 60 + shift) > 0, true)
        assert edge < overlap - 0.1


def test_what_is_not_counted_costs_nothing() -> None:
    true = square(20, 60)
    band = np.where(square(18, 62, 18, 62) > 0, np.uint8(255), np.uint8(0))
    band[22:58, 22:58] = 1
    assert mask_overlaps(true > 0, band) == (1, 1)  # through the middle of the band
    for mask in (square(18, 62, 18, 62), square(22, 58, 22, 58)):
        assert mask_overlaps(mask > 0, band)[0] == 1
    assert mask_overlaps(true > 0, np.full_like(true, 255) - 254 * true)[0] == 1


@pytest.fixture
def maps_file(tmp_path: Path) -> Path:
    """Of i0 the map is its mask, of i1 it is beside it, of i2 nothing, of i3 it is a mask, too."""
    full = np.zeros((4, SIDE, SIDE), np.float16)
    full[0], full[3] = square(20, 60), square(40, 80)
    full[1] = square(30, 70)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = ["i0", "i1", "i2", "i3"]
        file["full"], file["crop"] = full, full[:, :80, :80]
        file.attrs.update({"resize": SIDE, "crop": 80, "relative": True})
    return tmp_path / "maps.h5"


def test_figures_of_maps(maps_file: Path) -> None:
    index, true = index_of("aaaa", SIDE), square(20, 60)
    truth = Truth.of(index, boxes_of(*((i, 20, 20, 60, 60) for i in range(4))))
    masks = {"i0": png(true), "i1": png(true), "i2": png(true)}
    found = mask_figures(truth, masks, maps_file, 0.5)
    assert found["original"]["masks"] == found["resize"]["masks"] == 3
    edge = mask_overlaps(square(30, 70) > 0, true)[1]
    assert found["original"]["mask_iou"] == pytest.approx(100 * (1 + 0.6 + 0) / 3)
    assert found["original"]["boundary_iou"] == pytest.approx(100 * (1 + edge + 0) / 3)
    # Of 3 · 1600 object pixels 2800 of 3200 are found first, the rest among all the others.
    expected = 100 * (2800 / 4800 * 2800 / 3200 + 2000 / 4800 * 4800 / 30000)
    assert found["original"]["pxap"] == pytest.approx(expected)
    assert found["resize"]["pxap"] == pytest.approx(expected)
    assert "mask_iou" not in found["resize"]
    assert mask_figures(truth, masks, maps_file, 0.5, workers=3) == found
    assert mask_figures(truth, masks, maps_file, 0.5, ["crop"]) == {}
    assert mask_figures(truth, {}, maps_file, 0.5) == {}


def test_a_map_is_laid_over_the_whole_original_image(maps_file: Path) -> None:
    """Images of 200 x 50 pixels, seen at 100²."""
    index = index_of("aaaa", SIDE).assign(width=200, height=50)
    truth = Truth.of(index, boxes_of((0, 40, 10, 120, 30)))
    true = np.zeros((50, 200), np.uint8)
    true[10:30, 40:120] = 1
    found = mask_figures(truth, {"i0": png(true)}, maps_file, 0.5)["original"]
    assert found["mask_iou"] > 99
    assert found["pxap"] > 99
    true = true[:, ::-1].copy()
    assert mask_figures(truth, {"i0": png(true)}, maps_file, 0.5)["original"]["mask_iou"] < 50


def test_the_mask_of_a_map_is_the_one_that_predictions_have() -> None:
    map_ = ndimage.gaussian_filter(square(20, 60) + square(70, 80, 70, 80), 3.0)
    objects = find_objects(map_, 0.5, SIDE, (300, 200))
    mask = object_mask(objects, (300, 200))
    assert (mask == pixel_mask(objects, 0, (300, 200))).all()
    assert not mask[140:, 210:].any()  # the smaller object is not of it
    none = find_objects(map_, 2.0, SIDE, (300, 200))
    assert not object_mask(none, (300, 200)).any()


def test_scores_and_tables_have_them_where_there_are_masks(maps_file: Path) -> None:
    index, truth = index_of("aaaa", SIDE), boxes_of(*((i, 20, 20, 60, 60) for i in range(4)))
    masks = {"i0": png(square(20, 60)), "i3": png(square(40, 80))}
    tables = index, truth, truth, truth, topk_of(*"aaaa")
    names = {"model": "BASE", "backbone": "none", "threshold": "fixed", "seed": 0, "lam": 0.0}
    more = {"maps": maps_file, "fixed": 0.5, "resize": SIDE, "crop": 80}
    result = score(*tables, **names, **more, masks=masks)
    assert result["note"] == (
        "2 of 4 test images have no true mask and are left out of the masks' figures"
    )
    with_masks, seeds = ablation([result], 2)
    assert with_masks["mask_iou"].tolist()[2] == seeds["mask_iou"].tolist()[2] == 100
    assert pd.isna(with_masks["pxap"][0])  # of the crop there is no figure
    assert "boundary_iou" in format_table(with_masks)
    without, _ = ablation([score(*tables, **names, **more)], 2)
    assert not {"pxap", "mask_iou", "boundary_iou"} & set(without)
    assert without["mean_iou"].tolist() == with_masks["mean_iou"].tolist()


def test_figures_of_boxes_by_hand() -> None:
    """Two true boxes in i0, of which the one that fits counts; no box in i3."""
    truth = boxes_of((0, 60, 60, 64, 64), *((i, 20, 20, 60, 60) for i in range(4)))
    boxes = boxes_of((0, 20, 20, 60, 50), (1, 20, 20, 60, 44), (2, 20, 20, 40, 40))
    found = scored(index_of("aaaa", SIDE), truth, boxes, resize=SIDE, crop=SIDE)
    for protocol, figures in found.items():
        more = protocol == "resize"  # a pixel of width and height
        areas = np.array([(40 + more) * (30 + more), (40 + more) * (24 + more), (20 + more) ** 2])
        assert figures["gt_known"] == 50
        assert figures["gt_known_70"] == 25
        assert figures["mean_iou"] == pytest.approx(100 * areas.sum() / (40 + more) ** 2 / 4)
        assert figures["area_ratio"] == pytest.approx((24 + more) / (40 + more))
