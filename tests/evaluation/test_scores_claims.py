"""What the scores claim of overlaps of just a half, of ranks, orders, views and thresholds."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from isic.evaluation.scores import (
    Truth,
    hits,
    max_box_acc,
    pxap,
    score,
    score_trivial,
    trivial_boxes,
)

CORNERS = ["x0", "y0", "x1", "y1"]


def table(*boxes: tuple) -> pd.DataFrame:
    """Boxes: number of the image, then the corners."""
    return pd.DataFrame([(f"i{i}", *box) for i, *box in boxes], columns=["image_id", *CORNERS])


def index_of(classes: str, width: int = 224, height: int = 224) -> pd.DataFrame:
    names = [f"i{i}" for i in range(len(classes))]
    columns = {"image_id": names, "split": "test", "class": list(classes)}
    return pd.DataFrame({**columns, "width": width, "height": height})


def ranks(*best: str) -> pd.DataFrame:
    """Each image's classes, best first."""
    rows = pd.DataFrame([list(names) for names in best])
    rows.columns = [f"class{k + 1}" for k in rows.columns]
    rows.insert(0, "image_id", [f"i{i}" for i in range(len(best))])
    return rows


def scored(index: pd.DataFrame, truth: pd.DataFrame, boxes: pd.DataFrame, **more) -> dict:
    more = {"topk": ranks(*index["class"]), "crop_boxes": boxes, **more}
    names = {"model": "CAM", "backbone": "resnet50", "threshold": "fixed 0.2"}
    return score(index, truth, boxes, **names, **more)["protocols"]


def gt_known(found: dict) -> list[float]:
    return [figures["gt_known"] for figures in found.values()]


def test_an_overlap_of_a_half_is_a_hit_where_integers_are_counted() -> None:
    """Of inclusive corners 32 × 64 pixels and 32 × 32: 1/2. Of exclusive ones 31/63, less."""
    found = scored(index_of("a"), table((0, 32, 32, 63, 95)), table((0, 32, 32, 63, 63)))
    assert gt_known(found) == [0, 100, 0]
    found = scored(index_of("a"), table((0, 32, 32, 63, 95)), table((0, 32, 32, 63, 62)))
    assert gt_known(found) == [0, 0, 0]


@pytest.mark.parametrize("least", [0.3, 0.5, 0.7])
def test_the_overlap_itself_is_enough_for_resize_alone(least: float) -> None:
    overlaps = np.array([least - 0.01, least, least + 0.01])
    for protocol in ("crop", "original"):
        assert hits(overlaps, protocol, least).tolist() == [False, False, True]
    assert hits(overlaps, "resize", least).tolist() == [False, True, True]


def test_of_several_true_boxes_any_may_be_hit() -> None:
    boxes = [(20, 20, 60, 60), (70, 70, 110, 110), (120, 120, 200, 200)]
    index = index_of("aaa")
    truth = table(*((i, *box) for i in range(3) for box in boxes))
    assert gt_known(scored(index, truth, table(*((i, *boxes[i]) for i in range(3))))) == [100] * 3


def test_two_half_hits_are_none() -> None:
    truth = table((0, 40, 40, 80, 80), (0, 80, 40, 120, 80))
    assert gt_known(scored(index_of("a"), truth, table((0, 58, 38, 102, 82)))) == [0] * 3


def test_the_second_best_class_is_in_the_top_5_and_not_the_top_1() -> None:
    truth = table(*((i, 40, 40, 80, 80) for i in range(6)))
    topk = ranks(*("vwxyz"[:k] + "a" + "vwxyz"[k:4] for k in range(5)), "vwxyz")
    found = scored(index_of("aaaaaa"), truth, truth, topk=topk)
    for figures in found.values():
        assert figures["top1_loc"] == pytest.approx(100 / 6)
        assert figures["top5_loc"] == pytest.approx(500 / 6)


def test_rows_are_matched_by_their_image_and_not_by_their_place() -> None:
    """The true box, the predicted box and the class each tell one image from the others."""
    index = index_of("abcd")
    places = [(30 * i + 20, 30 * i + 20, 30 * i + 50, 30 * i + 50) for i in range(4)]
    truth = table(*((i, *places[i]) for i in (2, 0, 3, 1)))
    boxes = table(*((i, *places[i]) for i in (3, 1, 0)))  # none for 2
    topk = ranks("a", "b", "c", "x").iloc[[1, 3, 2, 0]]
    for figures in scored(index, truth, boxes, topk=topk).values():
        assert figures["gt_known"] == 75
        assert figures["top1_loc"] == 50


def test_a_data_sets_own_resize_and_crop_are_the_protocols() -> None:
    """96² of 112² of an image of 112²: the view begins at pixel 8, and ends at 104."""
    index = index_of("aa", 112, 112)
    truth = table((0, 0, 0, 60, 60), (1, 60, 60, 112, 112))
    boxes = table((0, 8, 8, 60, 60), (1, 60, 60, 104, 104))  # what the crop shows of it
    found = scored(index, truth, boxes, resize=112, crop=96)
    assert gt_known(found) == [100] * 3
    # Beyond the view, where nothing is seen and nothing can be hit; in 224² of 256² it is.
    edge = table((0, 0, 0, 8, 112), (1, 104, 0, 112, 112))
    assert gt_known(scored(index, edge, edge, resize=112, crop=96)) == [0, 100, 100]
    # In whole pixels of 4² three corners are 1, 1, 3; in those of 224² they tell the boxes apart.
    far, near = table((0, 28, 28, 112, 112)), table((0, 55, 55, 112, 112))
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
    index = index_of("aa", 128, 128)
    truth = table((0, 41.6, 41.6, 86.4, 86.4), (1, 0, 0, 128, 128))
    found = score_trivial(index, truth, ranks("a", "a"), protocols=["crop"], resize=128, crop=64)
    figures = {row["model"]: row["protocols"]["crop"]["gt_known"] for row in found}
    assert figures["whole image"] == 50  # the second
    assert figures["centre box 70 %"] == 50  # the first
    assert figures["centre box 80 %"] == 100


def test_scores_say_what_they_are_of() -> None:
    index, truth = index_of("a"), table((0, 40, 40, 80, 80))
    names = {"model": "ISIC", "backbone": "resnet50", "threshold": "fixed", "seed": 3}
    names |= {"lam": 0.5, "gamma": 0.25}
    assert score(index, truth, truth, truth, ranks("a"), **names).items() >= names.items()


def oracle(
    folder: Path, truth: pd.DataFrame, *maps: dict[float, tuple], relative: bool = True
) -> dict:
    """MaxBoxAcc of maps that have each value in its box, the later over the earlier."""
    index = index_of("a" * len(maps), 64, 64)
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
BOTH = table((0, *SMALL), (1, *LARGE))


def test_one_threshold_serves_all_images(tmp_path: Path) -> None:
    """The first is right above 0.5 only, the second below; each image's own would give 100."""
    found = oracle(tmp_path, BOTH, {0.5: LARGE, 1: SMALL}, {0.5: LARGE, 1: SMALL})
    assert found["max_box_acc"] == found["max_box_acc_v2"] == 50


def test_what_reaches_the_threshold_is_below_it(tmp_path: Path) -> None:
    found = oracle(tmp_path, BOTH[:1], {0.5: LARGE, 1: SMALL})
    assert found["max_box_acc"] == 100
    assert found["max_box_acc_cut"] == 0.5


def test_thresholds_reach_up_to_0_95(tmp_path: Path) -> None:
    found = oracle(tmp_path, BOTH[:1], {0.93: LARGE, 1: SMALL})
    assert found["max_box_acc"] == 100
    assert found["max_box_acc_cut"] == 0.95


@pytest.mark.parametrize("relative", [True, False])
def test_the_threshold_is_a_share_of_the_maps_maximum_if_their_scale_tells_nothing(
    relative: bool, tmp_path: Path
) -> None:
    """Both are right above half of their maximum; at one value for both no more than one is."""
    truth = table((0, *SMALL), (1, *SMALL))
    maps = {0.1: LARGE, 0.2: SMALL}, {0.45: LARGE, 0.9: SMALL}
    found = oracle(tmp_path, truth, *maps, relative=relative)
    assert found["max_box_acc"] == (100 if relative else 50)
    maps = {10: LARGE, 20: SMALL}, {0.45: LARGE, 0.9: SMALL}
    if relative:
        assert oracle(tmp_path, truth, *maps)["max_box_acc"] == 100


def test_each_overlap_of_v2_has_its_own_threshold(tmp_path: Path) -> None:
    """Below 0.5 all three overlap by 0.4 with the true box, above it one does, wholly."""
    loose = (20, 20, 40, 30)  # 200 pixels, the 80 of the true box among them
    right = (20, 20, 28, 30)
    truth = table(*((i, *right) for i in range(3)))
    nothing = {0.5: loose, 1: (38, 28, 40, 30)}
    found = oracle(tmp_path, truth, {0.5: loose, 1: right}, nothing, nothing)
    assert found["max_box_acc"] == pytest.approx(100 / 3)
    assert found["max_box_acc_v2"] == pytest.approx((100 + 100 / 3 + 100 / 3) / 3)
    low, middle, high = found["max_box_acc_v2_cuts"]
    assert low < 0.5 <= middle == high


@pytest.mark.parametrize(("pixels", "levels"), [(25, 0), (35, 1), (65, 2), (75, 3)])
def test_v2_asks_for_overlaps_of_0_3_0_5_and_0_7(pixels: int, levels: int, tmp_path: Path) -> None:
    """Of a true box of 100 pixels a component holds so many."""
    truth = table((0, 20, 20, 40, 25))
    found = oracle(tmp_path, truth, {1: (20, 20, 20 + pixels // 5, 25)})
    assert found["max_box_acc_v2"] == pytest.approx(100 * levels / 3)
    assert found["max_box_acc"] == 100 * (levels >= 2)


def test_max_box_acc_boxes_the_largest_component_and_v2_any(tmp_path: Path) -> None:
    """The first component is a speck, the last the object."""
    found = oracle(
        tmp_path, table((0, 30, 30, 44, 44)), {0.9: (10, 10, 12, 12), 1: (30, 30, 44, 44)}
    )
    assert found["max_box_acc"] == found["max_box_acc_v2"] == 100
    found = oracle(
        tmp_path, table((0, 10, 10, 14, 14)), {1: (10, 10, 14, 14), 0.9: (30, 30, 44, 44)}
    )
    assert found["max_box_acc_v2"] == 100
    found = oracle(
        tmp_path, table((0, 10, 10, 14, 14)), {0.9: (10, 10, 14, 14), 1: (30, 30, 44, 44)}
    )
    assert found["max_box_acc"] == 0
    assert found["max_box_acc_v2"] == 100


def test_the_interval_of_v2_holds_95_of_100_resamplings(tmp_path: Path) -> None:
    """40 of 80 images are right: ± 1.96 standard deviations of the share of 80 draws."""
    right, wrong = {1: SMALL}, {1: (40, 40, 44, 44)}
    truth = table(*((i, *SMALL) for i in range(80)))
    low, high = oracle(tmp_path, truth, *[right, wrong] * 40)["max_box_acc_v2_interval"]
    deviation = 100 * np.sqrt(0.25 / 80)
    assert low == pytest.approx(50 - 1.96 * deviation, abs=1.5)
    assert high == pytest.approx(50 + 1.96 * deviation, abs=1.5)


def test_the_crops_oracle_comes_from_the_crops_maps(tmp_path: Path) -> None:
    """The full view has the object where the centre crop has nothing, and the other way round."""
    index, truth = index_of("a", 64, 64), table((0, *SMALL))
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
    index, truth = index_of("a", 64, 64), table((0, 0, 0, 64, 64))
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
    assert pxap(maps, masks) == pytest.approx(100 * (0.5 + 0.5 * 0.5))
