"""Tables 1 to 4: what stands in them, in which order, and what never does."""

import json

import pandas as pd
import pytest
from outcomes import ARMS, outcome, result

from isic.errors import InputError
from isic.evaluation.tables.ablation import OF_ICFS, TO_BASE, ablation
from isic.evaluation.tables.printing import format_table, read_table
from isic.evaluation.tables.results import FIGURES, MASK_FIGURES, SCORED, read_scores
from isic.evaluation.tables.table1 import COLUMNS, table1


def test_rows_come_by_protocol_then_by_model():
    scores = [
        result("ISIC (this run)"),
        result("BASE + ICFS"),
        result("CAM"),
        result("BASE"),
        result("whole image", None, threshold="none", backbone="none"),
    ]
    table = table1(scores)
    order = ["whole image", "CAM", "BASE", "BASE + ICFS", "ISIC (this run)"]
    assert list(table.columns) == [name for name in COLUMNS if name not in MASK_FIGURES]
    assert table["model"].tolist() == order * 2
    assert table["protocol"].tolist() == ["crop"] * 5 + ["original"] * 5
    assert table["seeds"].tolist()[1:5] == [1] * 4
    assert pd.isna(table["seeds"][0])


def test_seeds_are_averaged():
    table = table1([result("CAM", seed, gt) for seed, gt in ((0, 60.0), (1, 70.0), (2, 71.0))])
    assert len(table) == 2
    assert table["gt_known"][0] == 67.0
    assert table["seeds"][0] == 3
    assert table["images"][0] == 100


def test_thresholds_are_not_averaged_over():
    table = table1([result("CAM"), result("CAM", 1, threshold="fixed 0.3")])
    assert table["threshold"].tolist() == ["fixed 0.2", "fixed 0.3"] * 2


@pytest.mark.parametrize(
    ("dataset", "isic"), [("cub", [80.68, 94.08, 97.32]), ("imagenet", [59.61, 67.84, 70.01])]
)
def test_published_rows_come_first_and_say_so(dataset, isic):
    table = table1([result("ISIC (this run)", gt=50.0)], dataset)
    published = table[table["source"] == "published"]
    assert len(published) == 17
    assert published.index.tolist() == list(range(17))
    assert published.iloc[-1][["model", *FIGURES]].tolist() == ["ISIC", *isic]
    assert (published["protocol"] == "crop").all()
    assert published[["threshold", "images", "seeds"]].isna().all(axis=None)
    assert table["source"].tolist()[17:] == ["measured"] * 2


def test_no_published_rows_for_other_data():
    assert (table1([result("CAM")], "none")["source"] == "measured").all()
    with pytest.raises(InputError, match="no published figures for `birds`"):
        table1([result("CAM")], "birds")


def test_without_truth_there_are_no_figures():
    table = table1([result("CAM", protocols=()), result("ISIC (this run)", protocols=())])
    assert table["model"].tolist() == ["CAM", "ISIC (this run)"]
    assert table[FIGURES].isna().all(axis=None)
    assert "nothing to score: no boxes" in format_table(table)


def test_text_shows_every_cell():
    text = format_table(table1([result("ISIC (this run)", gt=97.5)], "cub"))
    lines = text.splitlines()
    usual = [name for name in COLUMNS if name not in (*MASK_FIGURES, *SCORED)]
    assert lines[0].split() == usual  # nothing out of the ordinary, and no masks
    assert "72.50" in text
    assert len([line for line in lines if line]) == 1 + 17 + 2
    expected = "ISIC (this run) resnet18 77.50 87.50 97.50 - - - measured original fixed 0.2 100 1"
    assert " ".join(lines[-1].split()) == expected


def test_scores_are_read_one_or_many_to_a_file(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(result("CAM")))
    (tmp_path / "many.json").write_text(json.dumps([result("BASE"), result("whole image")]))
    read = read_scores([tmp_path / "one.json", tmp_path / "many.json"])
    assert [scores["model"] for scores in read] == ["CAM", "BASE", "whole image"]
    (tmp_path / "half.json").write_text('{"model": ')
    with pytest.raises(InputError, match=r"half\.json"):
        read_scores([tmp_path / "half.json"])


def test_ablation_by_hand():
    """Means, standard deviations, intervals and each seed's figures."""
    scores = [
        result("ISIC (this run)", 0, 95.0),
        result("BASE", 0, 60.0),
        result("BASE", 1, 70.0),
        result("BASE", 2, 74.0),
        result("BASE+ICFS", 0, 80.0),
    ]
    table, seeds = ablation(scores, 2)
    crop = table[table["protocol"] == "crop"].set_index("model")
    assert list(crop.index) == ["BASE", "BASE+ICFS", "BASE+ICFS+NMF+SEG"]
    base = crop.loc["BASE"]
    assert base["gt_known"] == 68.0
    assert base["gt_known_sd"] == 7.21  # √((64 + 4 + 36) / 2)
    # Wilson: (68 + 1.9208) / 103.8416 ± 1.96 √(100 · .68 · .32 + .9604) / 103.8416
    assert base[["gt_known_low", "gt_known_high"]].tolist() == [58.34, 76.33]
    assert base["top1_loc"] == 48.0
    assert base[["seeds", "images"]].tolist() == [3, 100]
    assert pd.isna(crop.loc["BASE+ICFS", "gt_known_sd"])
    assert crop.loc["BASE+ICFS", "seeds"] == 1
    mine = seeds[(seeds["model"] == "BASE") & (seeds["protocol"] == "crop")]
    assert mine["gt_known"].tolist() == [60.0, 70.0, 74.0]
    assert mine["seed"].tolist() == [0, 1, 2]
    assert "68.00 ± 7.21 [58.3, 76.3]" in format_table(table)


@pytest.mark.parametrize(("number", "name"), [(3, "lam"), (4, "gamma")])
def test_swept_values_come_in_order_whatever_the_model(number, name):
    scores = [
        result("BASE" if value == 0 else "BASE+ICFS", 0, 50 + value, **{name: value})
        for value in (0.5, 10.0, 0.0, 2.0)
    ]
    table, seeds = ablation(scores, number)
    assert table.columns[0] == seeds.columns[0] == name
    assert table[name].tolist() == [0, 0.5, 2, 10] * 2
    assert table["gt_known"].tolist() == [50, 50.5, 52, 60] * 2


@pytest.mark.parametrize(
    ("number", "gt_known"),
    [
        (2, [88.3, 93.2, 91.5, 94.1, 97.3]),
        (3, [88.3, 92.3, 93.2, 92.7]),
        (4, [92.8, 93.2, 92.6, 91.9]),
    ],
)
def test_published_ablations_come_first_and_are_never_measured(number, gt_known):
    rows = [result("BASE", 0, 32.0, lam=0.0, gamma=0.3, protocols=["crop"])]
    table, seeds = ablation(rows, number, "cub")
    assert table["source"].tolist() == ["published"] * len(gt_known) + ["measured"]
    published = table[table["source"] == "published"]
    assert published["gt_known"].tolist() == gt_known
    stated = ["top1_loc", "top5_loc", "gt_known", "backbone", "source", "protocol"]
    assert published.drop(columns=[table.columns[0], *stated]).isna().all(axis=None)
    assert table["gt_known"].iloc[-1] == 32
    assert set(seeds["source"]) == {"measured"}
    with pytest.raises(InputError, match=f"no published Table {number} for `imagenet`"):
        ablation(rows, number, "imagenet")


def test_an_ablation_without_boxes_says_so():
    table, _ = ablation([result("BASE", protocols=())], 2)
    assert table[["protocol", "seeds"]].to_numpy().tolist() == [["none", 1]]
    assert table["gt_known"].isna().all()
    assert "nothing" in format_table(table)


def test_a_table_is_read_as_it_was_written(tmp_path):
    scores = [outcome(model, crop=text) for model, text in ARMS.items()]
    for number in (2, 3):
        swept = [score | {"lam": float(place)} for place, score in enumerate(scores)]
        table, _ = ablation(swept, number)
        table.to_csv(tmp_path / "table.csv", index=False)
        read = read_table(tmp_path / "table.csv")
        assert format_table(read) == format_table(table)
        last = TO_BASE[-1] if number == 3 else OF_ICFS[-1]
        table.drop(columns=last).to_csv(tmp_path / "table.csv", index=False)
        with pytest.raises(InputError, match=f"no column {last}"):
            read_table(tmp_path / "table.csv")
