"""Scores: what is a hit, which rows belong together, what is said where nothing can be scored."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scored import CORNERS, boxes_of, gt_known, index_of, run, scored, table, topk_of

from isic.errors import InputError
from isic.evaluation.protocols import in_protocol
from isic.evaluation.scores import NOTHING, score
from isic.evaluation.statistics import wilson
from isic.evaluation.tables.printing import format_table
from isic.evaluation.tables.table1 import table1
from isic.evaluation.trivial import score_trivial


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


def test_a_set_without_test_images_is_scored_on_its_training_images_and_says_so():
    index = index_of(["a", "a"]).assign(split="train")
    truth = table([("i0", 50, 50, 100, 100), ("i1", 50, 50, 100, 100)])
    result = run(index, truth, truth[:1], truth[:1], topk_of(["a"], ["a"]))
    assert [figures["gt_known"] for figures in result["protocols"].values()] == [50] * 3
    assert result["split"] == "train"
    assert "no test images" in result["note"]
    assert len(score_trivial(index, truth, topk_of(["a"], ["a"]))) == 5


def test_boxes_of_training_images_are_not_scored_beside_test_images():
    index = index_of(["a", "a"]).assign(split=["train", "test"])
    truth = table([("i0", 50, 50, 100, 100)])
    result = run(index, truth, truth[:0], truth[:0], topk_of(["a"], ["a"])[1:])
    assert result["note"] == NOTHING
    assert result["split"] == "test"
    assert result["protocols"] == {}


@pytest.mark.parametrize(("setting", "share", "images"), [("skip", 100, 1), ("miss", 50, 2)])
def test_images_without_a_box_are_left_out_or_misses_as_set(setting, share, images, tmp_path):
    """Of both some box is predicted; the trivial ones are right wherever anything can be."""
    index = index_of(["a", "a"])
    truth = table([("i1", 1, 1, 255, 255)])
    found = table([("i0", 0, 0, 9, 9), ("i1", 0, 0, 256, 256)])
    ranked = topk_of(["a"], ["a"])
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = ["i0", "i1"]
        file["full"] = file["crop"] = np.ones((2, 4, 4), np.float16)
        file.attrs.update({"resize": 256, "crop": 224, "relative": True})
    result = run(index, truth, found, found, ranked, without_box=setting, maps=tmp_path / "maps.h5")
    trivial = score_trivial(index, truth, ranked, without_box=setting)
    for one in (result, trivial[0]):
        assert one["images"] == images
        assert one["without_box"] == 1
        for figures in one["protocols"].values():
            assert figures["gt_known"] == figures["top1_loc"] == share
            assert figures["images"] == len(figures["gt_known_hits"]) == images
        words = {"skip": "are left out", "miss": "count as misses"}[setting]
        assert f"1 of 2 test images have no true box and {words}" in one["note"]
        text = format_table(table1([one]))
        assert one["note"] in text
        assert "without_box" in text
    for figures in result["protocols"].values():
        assert figures["max_box_acc"] == figures["max_box_acc_v2"] == share


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


def test_of_several_true_boxes_any_may_be_hit() -> None:
    boxes = [(20, 20, 60, 60), (70, 70, 110, 110), (120, 120, 200, 200)]
    index = index_of("aaa", 224)
    truth = boxes_of(*((i, *box) for i in range(3) for box in boxes))
    assert (
        gt_known(scored(index, truth, boxes_of(*((i, *boxes[i]) for i in range(3))))) == [100] * 3
    )


def test_two_half_hits_are_none() -> None:
    truth = boxes_of((0, 40, 40, 80, 80), (0, 80, 40, 120, 80))
    assert gt_known(scored(index_of("a", 224), truth, boxes_of((0, 58, 38, 102, 82)))) == [0] * 3


def test_the_second_best_class_is_in_the_top_5_and_not_the_top_1() -> None:
    truth = boxes_of(*((i, 40, 40, 80, 80) for i in range(6)))
    topk = topk_of(*("vwxyz"[:k] + "a" + "vwxyz"[k:4] for k in range(5)), "vwxyz")
    found = scored(index_of("aaaaaa", 224), truth, truth, topk=topk)
    for figures in found.values():
        assert figures["top1_loc"] == pytest.approx(100 / 6)
        assert figures["top5_loc"] == pytest.approx(500 / 6)


def test_rows_are_matched_by_their_image_and_not_by_their_place() -> None:
    """The true box, the predicted box and the class each tell one image from the others."""
    index = index_of("abcd", 224)
    places = [(30 * i + 20, 30 * i + 20, 30 * i + 50, 30 * i + 50) for i in range(4)]
    truth = boxes_of(*((i, *places[i]) for i in (2, 0, 3, 1)))
    boxes = boxes_of(*((i, *places[i]) for i in (3, 1, 0)))  # none for 2
    topk = topk_of("a", "b", "c", "x").iloc[[1, 3, 2, 0]]
    for figures in scored(index, truth, boxes, topk=topk).values():
        assert figures["gt_known"] == 75
        assert figures["top1_loc"] == 50


def test_scores_say_what_they_are_of() -> None:
    index, truth = index_of("a", 224), boxes_of((0, 40, 40, 80, 80))
    names = {"model": "ISIC", "backbone": "resnet50", "threshold": "fixed", "seed": 3}
    names |= {"lam": 0.5, "gamma": 0.25}
    assert score(index, truth, truth, truth, topk_of("a"), **names).items() >= names.items()
