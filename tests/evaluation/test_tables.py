"""Tables 1 to 4: what stands in them, in which order, and what never does."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from isic.cli import main
from isic.errors import InputError
from isic.evaluation.statistics import paired_difference
from isic.evaluation.tables.ablation import ABLATION_ROWS, OF_ICFS, TO_BASE, ablation
from isic.evaluation.tables.printing import format_table, read_table
from isic.evaluation.tables.results import FIGURES, read_scores
from isic.evaluation.tables.table1 import COLUMNS, table1


def result(model, seed=0, gt=90.0, protocols=("crop", "original"), **more):
    figures = {"top1_loc": gt - 20, "top5_loc": gt - 10, "gt_known": gt}
    return {
        "model": model,
        "backbone": "resnet18",
        "source": "measured",
        "seed": seed,
        "threshold": "fixed 0.2",
        "images": 100,
        "protocols": {protocol: figures for protocol in protocols},
    } | more


def outcome(model, seed=0, **texts):
    """A result with each image's outcomes: `crop="1101"`; λ and γ as numbers."""
    swept = {name: texts.pop(name) for name in ("lam", "gamma") if name in texts}
    found = {
        protocol: {name: 100 * text.count("1") / len(text) for name in FIGURES}
        | {f"{name}_hits": text for name in FIGURES}
        for protocol, text in texts.items()
    }
    images = len(next(iter(texts.values())))
    return result(model, seed, images=images, **swept) | {"protocols": found}


def difference(table, name, row=-1):
    """A difference of a row and its interval, as the table has it."""
    return table[[name, f"{name}_low", f"{name}_high"]].iloc[row].tolist()


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
    assert list(table.columns) == COLUMNS
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
    assert lines[0].split() == COLUMNS
    assert "72.50" in text
    assert len([line for line in lines if line]) == 1 + 17 + 2
    expected = "ISIC (this run) resnet18 77.50 87.50 97.50 measured original fixed 0.2 100 1"
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


NONE, ALL = "0" * 8, "1" * 8
ARMS = {
    "BASE": NONE,
    "BASE+ICFS": ALL,
    "BASE+NMF": ALL,
    "BASE+ICFS+NMF": ALL,
    "ISIC without ICFS (this run)": NONE,
    "ISIC (this run)": ALL,
}


def test_a_difference_to_base_is_the_paired_one_of_the_same_protocol():
    base = {"crop": "10" * 50, "original": "0001" * 25}
    icfs = {"crop": "1011" * 25, "original": "0011" * 25}
    table, _ = ablation([outcome("BASE", **base), outcome("BASE+ICFS", **icfs)], 2)
    table = table[table["model"] == "BASE+ICFS"].set_index("protocol")
    for protocol in ("crop", "original"):
        a, b = ([[*map(int, texts[protocol])]] for texts in (icfs, base))
        expected = np.round(paired_difference(a, b), 2).tolist()
        assert expected[0] == 25
        for name in FIGURES:
            assert difference(table.loc[[protocol]], f"{name}_diff") == expected
    low, high = table.loc["crop", ["gt_known_diff_low", "gt_known_diff_high"]]
    assert 10 < low < 20 < 30 < high < 40
    assert f"+25.0 [{low:.1f}, {high:.1f}]" in format_table(table.reset_index())


def test_what_icfs_brings_is_the_difference_to_the_same_row_without_it():
    table, _ = ablation([outcome(model, crop=text) for model, text in ARMS.items()], 2)
    assert table["model"].tolist() == ABLATION_ROWS
    rows = table.set_index("model")
    assert rows["gt_known_diff"].dropna().to_dict() == dict(
        zip(ABLATION_ROWS[1:], [100, 100, 100, 0, 100], strict=True)
    )
    assert rows["gt_known_icfs"].dropna().to_dict() == {
        "BASE+ICFS": 100,
        "BASE+ICFS+NMF": 0,
        "BASE+ICFS+NMF+SEG": 100,
    }
    assert rows.loc["BASE", TO_BASE + OF_ICFS].isna().all()
    assert difference(table, "top1_loc_icfs") == [100, 100, 100]  # all images: no width
    for number in (3, 4):
        other, _ = ablation([outcome("BASE", crop=ALL, lam=0.0, gamma=0.1)], number)
        assert not set(OF_ICFS) & set(other)


def test_seeds_are_compared_by_number_and_not_by_order():
    """Each arm has the same outcomes under the same seed: no difference, and no doubt of it."""
    base = [outcome("BASE", seed, crop=text) for seed, text in ((0, NONE), (1, ALL), (2, ALL))]
    icfs = [outcome("BASE+ICFS", seed, crop=text) for seed, text in ((1, ALL), (0, NONE))]
    table, _ = ablation([*icfs, *base], 2)  # seed 2 has nothing to be compared with
    assert difference(table, "gt_known_diff") == [0, 0, 0]
    crossed = [outcome("BASE+ICFS", seed, crop=text) for seed, text in ((0, ALL), (1, NONE))]
    table, _ = ablation([*crossed, *base], 2)
    assert difference(table, "gt_known_diff") == [0, -100, 100]


def test_nothing_is_compared_with_other_images_or_with_a_seed_that_is_there_twice():
    icfs = outcome("BASE+ICFS", crop=ALL)
    for base in ([outcome("BASE", crop=NONE + "0")], [outcome("BASE", crop=NONE)] * 2, []):
        table, _ = ablation([*base, icfs], 2)
        assert table.iloc[-1][TO_BASE + OF_ICFS].isna().all()


@pytest.mark.parametrize(("number", "name"), [(3, "lam"), (4, "gamma")])
def test_a_baseline_is_no_row(number, name):
    base = outcome("BASE", crop=NONE, lam=0.0)
    rows = [outcome("BASE+ICFS", crop=ALL, lam=1.0, gamma=0.1)]
    table, seeds = ablation(rows, number, baseline=[base])
    assert table[name].tolist() == seeds[name].tolist() == [rows[0][name]]
    assert difference(table, "gt_known_diff") == [100, 100, 100]
    with pytest.raises(InputError, match=r"BASE\+ICFS is not BASE"):
        ablation(rows, number, baseline=rows)


def test_the_base_of_table_3_is_its_row_of_no_icfs():
    rows = [
        outcome("BASE+ICFS" if lam else "BASE", crop=text, lam=lam)
        for lam, text in ((1.0, ALL), (0.0, NONE))
    ]
    table, _ = ablation(rows, 3)
    assert table["lam"].tolist() == [0, 1]
    assert table["gt_known_diff"].tolist()[1] == 100
    assert table.iloc[0][TO_BASE].isna().all()


def test_scores_of_older_code_have_no_differences(tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps([result("BASE"), result("BASE+ICFS", gt=95)]))
    scores = read_scores([tmp_path / "scores.json"])
    table, _ = ablation(scores, 2)
    assert table["gt_known"].tolist() == [90, 95] * 2
    assert table[TO_BASE + OF_ICFS].isna().all(axis=None)
    with_them, _ = ablation([*scores, outcome("BASE+NMF", crop=ALL)], 2)
    assert with_them[TO_BASE + OF_ICFS].isna().all(axis=None)


@pytest.mark.parametrize("text", ["110", "11000", "110x", "", 1100])
def test_outcomes_that_are_not_one_an_image_are_refused(tmp_path, text):
    scores = outcome("BASE", crop="1100")
    scores["protocols"]["crop"]["top5_loc_hits"] = text
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(InputError, match=r"scores\.json: .* make it again with `isic scores`"):
        read_scores([tmp_path / "scores.json"])


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


def test_text_shows_gt_knowns_differences_alone():
    table, _ = ablation([outcome(model, crop=text) for model, text in ARMS.items()], 2)
    head, _, *rows = format_table(table).splitlines()
    shown = ["gt_known", "gt_known_diff", "gt_known_icfs", "source"]
    assert [name for name in head.split() if name in {*shown, *TO_BASE, *OF_ICFS}] == shown
    cells = [row.partition("measured")[0].split("  ") for row in rows]
    cells = [[cell.strip() for cell in row if cell.strip()][-2:] for row in cells]
    gain, none = "+100.0 [100.0, 100.0]", "+0.0 [0.0, 0.0]"
    expected = [["-", "-"], [gain, gain], [gain, "-"], [gain, none], [none, "-"], [gain, gain]]
    assert cells == expected
    assert max(map(len, rows)) < 200


def test_the_command_takes_a_baseline_for_each_seed(tmp_path, monkeypatch, capsys):
    """And prints the table that it writes."""
    arms = {"base": outcome("BASE", crop=NONE), "icfs": outcome("BASE+ICFS", crop=ALL, gamma=0.1)}
    for seed in (0, 1):
        for name, scores in arms.items():
            text = json.dumps(scores | {"seed": seed})
            (tmp_path / f"{name}{seed}.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    words = "icfs0.json icfs1.json table.csv seeds.csv --table 4"
    words += " --baseline base1.json --baseline base0.json"
    monkeypatch.setattr(sys, "argv", ["isic", "ablation", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    table = read_table("table.csv")
    assert table["gamma"].tolist() == [0.1]
    assert table["seeds"].tolist() == [2]
    assert difference(table, "gt_known_diff") == [100, 100, 100]
    assert format_table(table) in capsys.readouterr().out
    assert "_hits" not in (tmp_path / "seeds.csv").read_text()
