"""Protocols: fixed points of wsolevaluation, hand-made cases, and real annotations.

`conformance.csv` holds the GT-known figures that boxes needing no model must have. Its
annotations are not part of the repository; they are looked for in `../shared` beside it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import boxes_of, gt_known, index_of, run, scored, table, topk_of

from isic.evaluation.protocols import Truth, hits, in_protocol
from isic.evaluation.trivial import TRIVIAL, score_trivial, trivial_boxes

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
CONFORMANCE = pd.read_csv(HERE / "conformance.csv")


# Real annotations


def benchmark(dataset):
    """Index and truth tables of a data set of conformance.csv, or a skip."""
    file = {
        "cub": "benchmark_boxes/cub_test.csv.gz",
        "imagenet": "benchmark_boxes/imagenet_val.csv.gz",
        "photos8": "photos8/boxes.csv",
    }[dataset]
    if not (SHARED / file).exists():
        pytest.skip(f"the annotations are not here: {file} belongs in ../shared/data")
    rows = pd.read_csv(SHARED / file).rename(
        columns={"class_id": "class", "xmin": "x0", "ymin": "y0", "xmax": "x1", "ymax": "y1"}
    )
    if dataset == "photos8":
        rows["image_id"] = rows["split"] + "/" + rows["class"] + "/" + rows["file"]
    else:
        rows["split"] = "test"  # corners as they stand: CUB's x1 is its x + width
    index = rows.drop_duplicates("image_id").sort_values("split", ascending=False, kind="stable")
    return index, rows


@pytest.mark.parametrize("dataset", CONFORMANCE["dataset"].unique())
def test_conformance(dataset):
    expected = CONFORMANCE[CONFORMANCE["dataset"] == dataset]
    index, truth = benchmark(dataset)
    topk = index[["image_id"]].assign(class1=index["class"])
    protocols = list(expected["protocol"].unique())
    results = {
        result["model"]: result
        for result in score_trivial(
            index, truth, topk[index["split"] == "test"], protocols=protocols
        )
    }
    sides = {side: model for model, side in TRIVIAL.items()}
    # Photos are given to 0.1. Some overlaps are exactly 1/2 (one photograph in 500): whether they
    # count as > 0.5 is the rounding of a division, and these figures have one particular rounding.
    digits = 1 if dataset == "photos8" else 2
    for row in expected.itertuples():
        figures = results[sides[row.side]]["protocols"][row.protocol]
        assert figures["images"] == row.images
        assert round(figures["gt_known"], digits) == row.gt_known, row
        assert figures["top1_loc"] == figures["gt_known"]


def test_the_crop_removes_the_truth_of_14_images_of_imagenet():
    index, truth = benchmark("imagenet")
    known = Truth.of(index, truth)
    boxes = in_protocol(known.boxes, known.sizes[known.image], "crop")
    left = np.zeros(len(known), bool)
    left[known.image[(boxes[:, 2:] > boxes[:, :2]).all(1)]] = True
    assert (~left).sum() == 14


# Fixed points and hand-made cases


def test_resize_truncates():
    # (1, 2, 4, 3) of 10 × 20 in 35 × 10 is (3, 1, 14, 1); our views are square, so an axis each.
    size = np.array([[10, 20]])
    box = np.array([[1.0, 2, 4, 3]])
    assert in_protocol(box, size, "resize", crop=35)[0, [0, 2]].tolist() == [3, 14]
    assert in_protocol(box, size, "resize", crop=10)[0, [1, 3]].tolist() == [1, 1]


@given(st.integers(1, 5000), st.integers(0, 224))
def test_resize_does_not_lose_a_pixel_to_rounding(width, x):
    box = np.array([[x * width / 224, 0, width, width]])
    size = np.array([[width, width]])
    assert in_protocol(box, size, "resize").tolist() == [[min(x, 223), 0, 223, 223]]


@pytest.mark.parametrize("side", TRIVIAL.values())
def test_trivial_boxes_have_wsolevaluations_integers(side):
    sizes = np.array([[333, 500], [224, 224], [97, 1001]])
    low, high = int(224 * (1 - side) / 2), min(int(224 - 224 * (1 - side) / 2), 223)
    boxes = in_protocol(trivial_boxes(sizes, side, "resize"), sizes, "resize")
    assert boxes.tolist() == [[low, low, high, high]] * 3


def test_protocols_differ_where_they_should():
    """A box with an overlap of exactly 1/2, in an image of 256²: a hit for no plain `>`."""
    index = index_of(["a"])
    truth = table([("i0", 32, 32, 96, 96)])
    half = table([("i0", 32, 32, 64, 96)])
    protocols = run(index, truth, half, half, topk_of(["a"]))["protocols"]
    assert list(protocols) == ["crop", "resize", "original"]
    assert [figures["hits"] for figures in protocols.values()] == [0, 1, 0]


def test_each_protocol_takes_its_view():
    index, truth = index_of(["a"]), table([("i0", 50, 50, 100, 100)])
    good, none = truth, truth[:0]
    hits = [
        [
            figures["hits"]
            for figures in run(index, truth, *pair, topk_of(["a"]))["protocols"].values()
        ]
        for pair in ((good, none), (none, good))
    ]
    assert hits == [[0, 1, 1], [1, 0, 0]]


def test_truth_outside_the_crop_is_a_miss_that_counts():
    index = index_of(["a", "a"])
    truth = table([("i0", 0, 0, 10, 10), ("i1", 50, 50, 100, 100)])
    figures = run(index, truth, truth, truth, topk_of(["a"], ["a"]))["protocols"]
    assert figures["crop"]["gt_known"] == 50
    assert figures["original"]["gt_known"] == 100


def test_an_overlap_of_a_half_is_a_hit_where_integers_are_counted() -> None:
    """Of inclusive corners 32 × 64 pixels and 32 × 32: 1/2. Of exclusive ones 31/63, less."""
    found = scored(index_of("a", 224), boxes_of((0, 32, 32, 63, 95)), boxes_of((0, 32, 32, 63, 63)))
    assert gt_known(found) == [0, 100, 0]
    found = scored(index_of("a", 224), boxes_of((0, 32, 32, 63, 95)), boxes_of((0, 32, 32, 63, 62)))
    assert gt_known(found) == [0, 0, 0]


@pytest.mark.parametrize("least", [0.3, 0.5, 0.7])
def test_the_overlap_itself_is_enough_for_resize_alone(least: float) -> None:
    overlaps = np.array([least - 0.01, least, least + 0.01])
    for protocol in ("crop", "original"):
        assert hits(overlaps, protocol, least).tolist() == [False, False, True]
    assert hits(overlaps, "resize", least).tolist() == [False, True, True]


def test_a_data_sets_own_resize_and_crop_are_the_protocols() -> None:
    """96² of 112² of an image of 112²: the view begins at pixel 8, and ends at 104."""
    index = index_of("aa", 112)
    truth = boxes_of((0, 0, 0, 60, 60), (1, 60, 60, 112, 112))
    boxes = boxes_of((0, 8, 8, 60, 60), (1, 60, 60, 104, 104))  # what the crop shows of it
    found = scored(index, truth, boxes, resize=112, crop=96)
    assert gt_known(found) == [100] * 3
    # Beyond the view, where nothing is seen and nothing can be hit; in 224² of 256² it is.
    edge = boxes_of((0, 0, 0, 8, 112), (1, 104, 0, 112, 112))
    assert gt_known(scored(index, edge, edge, resize=112, crop=96)) == [0, 100, 100]
    # In whole pixels of 4² three corners are 1, 1, 3; in those of 224² they tell the boxes apart.
    far, near = boxes_of((0, 28, 28, 112, 112)), boxes_of((0, 55, 55, 112, 112))
    for crop, expected in ((4, 100), (96, 0)):
        found = scored(index[:1], far, near, resize=112, crop=crop, protocols=["resize"])
        assert gt_known(found) == [expected]


def test_trivial_boxes_are_centred_in_the_data_sets_own_view() -> None:
    sizes = np.array([[112, 224]])
    assert trivial_boxes(sizes, 1.0, "crop", 112, 96).tolist() == [[8, 16, 104, 208]]
    np.testing.assert_allclose(trivial_boxes(sizes, 0.5, "crop", 112, 96), [[32, 64, 80, 160]])
    np.testing.assert_allclose(trivial_boxes(sizes, 0.5, "resize", 112, 96), [[28, 56, 84, 168]])
    np.testing.assert_allclose(trivial_boxes(sizes, 0.5, "original", 112, 96), [[28, 56, 84, 168]])


def test_trivial_boxes_are_scored_in_the_data_sets_own_view() -> None:
    """64² of 128²: one true box fills 70 % of the view's sides, the other all it shows and more."""
    index = index_of("aa", 128)
    truth = boxes_of((0, 41.6, 41.6, 86.4, 86.4), (1, 0, 0, 128, 128))
    found = score_trivial(index, truth, topk_of("a", "a"), protocols=["crop"], resize=128, crop=64)
    figures = {row["model"]: row["protocols"]["crop"]["gt_known"] for row in found}
    assert figures["whole image"] == 50  # the second
    assert figures["centre box 70 %"] == 50  # the first
    assert figures["centre box 80 %"] == 100
