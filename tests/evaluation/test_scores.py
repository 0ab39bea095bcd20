"""Protocols: fixed points of wsolevaluation, hand-made cases, and real annotations.

`conformance.csv` holds the GT-known figures that boxes needing no model must have. Its
annotations are not part of the repository; they are looked for in `../shared` beside it.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from isic.errors import InputError
from isic.evaluation.scores import (
    NOTHING,
    TRIVIAL,
    Truth,
    in_protocol,
    max_box_acc,
    pxap,
    score,
    score_trivial,
    trivial_boxes,
    wilson,
)

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
CONFORMANCE = pd.read_csv(HERE / "conformance.csv")
CORNERS = ["x0", "y0", "x1", "y1"]


def table(rows, columns=("image_id", *CORNERS)):
    return pd.DataFrame(rows, columns=list(columns))


def index_of(classes, size=(256, 256)):
    return table(
        [(f"i{k}", "test", name, *size) for k, name in enumerate(classes)],
        ("image_id", "split", "class", "width", "height"),
    )


def topk_of(*ranked):
    rows = [(f"i{k}", *names) for k, names in enumerate(ranked)]
    return table(rows, ("image_id", *(f"class{k + 1}" for k in range(len(ranked[0])))))


def run(index, truth, boxes, crop_boxes, topk, **more):
    names = {"model": "CAM", "backbone": "resnet50", "threshold": "fixed 0.2", "seed": 0}
    return score(index, truth, boxes, crop_boxes, topk, **names, **more)


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


def test_figures_by_hand():
    """Five images: hit and right, hit and fifth, hit and wrong, missed, and no box at all."""
    index = index_of("abcab")
    truth = table([(f"i{k}", 100, 100, 200, 200) for k in range(5)] + [("i0", 0, 0, 5, 5)])
    boxes = table([(f"i{k}", 100, 100, 200, 190) for k in range(3)] + [("i3", 16, 16, 50, 50)])
    topk = topk_of(list("axyzw"), list("vwxyb"), list("vwxyz"), list("avwxy"), list("bvwxy"))
    result = run(index, truth, boxes, boxes, topk)
    for figures in result["protocols"].values():
        assert figures["images"] == 5
        assert figures["hits"] == 3
        assert figures["gt_known"] == 60
        assert figures["top1_loc"] == 20
        assert figures["top5_loc"] == 40
        low, high = figures["gt_known_interval"]
        assert 0 < low < 60 < high < 100
        assert figures["gt_known_hits"] == "11100"
        assert figures["top1_loc_hits"] == "10000"
        assert figures["top5_loc_hits"] == "11000"
    assert result["source"] == "measured"
    assert result["threshold"] == "fixed 0.2"


def test_outcomes_are_in_the_order_of_the_index():
    index = index_of("abcde")
    truth = table([(f"i{k}", 50, 50, 100, 100) for k in range(5)])
    found, ranked = truth.iloc[[3, 0]], topk_of("a", "b", "c", "x", "e").iloc[::-1]
    for figures in run(index, truth[::-1], found, found, ranked)["protocols"].values():
        assert figures["gt_known_hits"] == "10010"
        assert figures["top1_loc_hits"] == "10000"
    for result in score_trivial(index, truth, ranked):
        for figures in result["protocols"].values():
            assert figures["gt_known_hits"] in ("00000", "11111")


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


def boxes_in(draw, sizes):
    """A box in each image of these widths and heights, corners in whole pixels."""
    rows = []
    for name, (width, height) in sizes.items():
        x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
        rows.append((name, x0, y0, x1, y1))
    return table(rows)


@st.composite
def scenes(draw):
    """Index, true boxes, predicted boxes and ranked classes of some images, at random."""
    side, names = st.integers(1, 400), ["a", "b", "c", "d", "e", "f"]
    sizes = {f"i{k}": draw(st.tuples(side, side)) for k in range(draw(st.integers(1, 5)))}
    index = table(
        [(name, "test", draw(st.sampled_from(names)), *size) for name, size in sizes.items()],
        ("image_id", "split", "class", "width", "height"),
    )
    ranked = topk_of(*(draw(st.permutations(names))[:5] for _ in sizes))
    return index, boxes_in(draw, sizes), boxes_in(draw, sizes), ranked


@given(scenes(), st.randoms(use_true_random=False))
def test_more_is_asked_of_top_1_than_of_top_5_than_of_gt_known(scene, random):
    """And the order of the rows does not matter."""
    index, truth, boxes, ranked = scene
    found = run(index, truth, boxes, boxes, ranked)["protocols"]
    assert len(found) == 3
    for figures in found.values():
        assert 0 <= figures["top1_loc"] <= figures["top5_loc"] <= figures["gt_known"] <= 100
    mixed = [t.iloc[random.sample(range(len(t)), len(t))] for t in (truth, boxes, ranked)]
    assert run(index, mixed[0], mixed[1], mixed[1], mixed[2])["protocols"] == found


@given(scenes())
def test_true_boxes_are_hits(scene):
    """Under `crop` those that the crop shows a part of: what is outside is a miss that counts."""
    index, truth, _, ranked = scene
    found = run(index, truth, truth, truth, ranked)["protocols"]
    assert found["original"]["gt_known"] == found["resize"]["gt_known"] == 100
    seen = in_protocol(
        truth[CORNERS].to_numpy(float), index[["width", "height"]].to_numpy(), "crop"
    )
    shown = ((seen[:, 2] > seen[:, 0]) & (seen[:, 3] > seen[:, 1])).mean()
    assert found["crop"]["gt_known"] == pytest.approx(100 * shown)


@given(scenes(), st.sampled_from(["crop", "resize", "original"]))
def test_a_box_stays_within_what_a_protocol_sees(scene, protocol):
    index, truth, _, _ = scene
    sizes = index[["width", "height"]].to_numpy()
    x0, y0, x1, y1 = in_protocol(truth[CORNERS].to_numpy(float), sizes, protocol).T
    width, height = sizes.T if protocol == "original" else (224, 224)
    assert ((x0 >= 0) & (x0 <= x1) & (x1 <= width)).all()
    assert ((y0 >= 0) & (y0 <= y1) & (y1 <= height)).all()


def test_nothing_to_score_is_said_and_not_invented():
    index, empty = index_of(["a"]), table([])
    result = run(index, empty, empty, empty, topk_of(["a"]))
    assert result["note"] == NOTHING
    assert result["protocols"] == {}
    assert result["images"] == 1
    assert score_trivial(index, empty, topk_of(["a"])) == []


def test_boxes_of_training_images_are_not_scored():
    index = index_of(["a"]).assign(split="train")
    truth = table([("i0", 50, 50, 100, 100)])
    result = run(index, truth, truth, truth, topk_of(["a"]))
    assert result["note"] == NOTHING
    assert result["protocols"] == {}
    assert score_trivial(index, truth, topk_of(["a"])) == []


def test_images_without_truth_among_others_are_counted_and_said():
    index = index_of(["a", "a"])
    truth = table([("i0", 50, 50, 100, 100)])
    result = run(index, truth, truth, truth, topk_of(["a"], ["a"]))
    assert result["protocols"]["crop"]["gt_known"] == 50
    assert result["note"].startswith("1 test images")


def test_tables_that_do_not_fit_are_errors():
    index, truth = index_of(["a", "a"]), table([("i0", 50, 50, 100, 100)])
    topk = topk_of(["a"], ["a"])
    with pytest.raises(InputError, match="i9 is there, no test image"):
        run(index, truth, table([("i9", 0, 0, 1, 1)]), truth, topk)
    with pytest.raises(InputError, match="i0 is there, twice"):
        run(index, truth, pd.concat([truth, truth]), truth, topk)
    with pytest.raises(InputError, match="no row for i1"):
        run(index, truth, truth, truth, topk_of(["a"]))
    with pytest.raises(InputError, match="protocol `plain` is unknown"):
        run(index, truth, truth, truth, topk, protocols=["plain"])


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (61, 100), (3600, 5794)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx([100 * expected.low, 100 * expected.high])


# Metrics of maps


def test_max_box_acc_chooses_its_threshold_and_multiplies_boxes(tmp_path):
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


def test_pxap_fixed_points():
    masks = np.random.default_rng(0).random((4, 20, 30)) < 0.2
    assert pxap(masks.astype(float), masks) == pytest.approx(100)
    assert pxap(np.full(masks.shape, 0.4), masks) == pytest.approx(100 * masks.mean())


def test_pxap_is_average_precision():
    rng = np.random.default_rng(0)
    masks = rng.random((3, 16, 16)) < 0.3
    maps = rng.integers(0, 65, masks.shape) / 64
    expected = average_precision_score(masks.ravel(), maps.ravel())
    assert pxap(maps, masks, bins=64) == pytest.approx(100 * expected)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_pxap_rejects_broken_maps(bad):
    with pytest.raises(InputError, match="outside 0 … 1"):
        pxap([np.full((2, 2), bad)], [np.ones((2, 2), bool)])
