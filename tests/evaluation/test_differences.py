"""What Tables 2 to 4 say of differences: to which row, of which images and seeds."""

import json

import numpy as np
import pytest
from outcomes import ALL, ARMS, NONE, difference, outcome, result

from isic.errors import InputError
from isic.evaluation.statistics import paired_difference
from isic.evaluation.tables.ablation import ABLATION_ROWS, OF_ICFS, TO_BASE, ablation
from isic.evaluation.tables.printing import format_table, read_table
from isic.evaluation.tables.results import FIGURES, read_scores


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
    assert tuple(table["model"]) == ABLATION_ROWS
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


def test_the_command_takes_a_baseline_for_each_seed(tmp_path, monkeypatch, isic):
    """And prints the table that it writes."""
    arms = {"base": outcome("BASE", crop=NONE), "icfs": outcome("BASE+ICFS", crop=ALL, gamma=0.1)}
    for seed in (0, 1):
        for name, scores in arms.items():
            text = json.dumps(scores | {"seed": seed})
            (tmp_path / f"{name}{seed}.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    words = "icfs0.json icfs1.json table.csv --seeds seeds.csv"
    words += " --baseline base1.json --baseline base0.json"
    done = isic("table", 4, *words.split())
    assert done.status == 0
    table = read_table("table.csv")
    assert table["gamma"].tolist() == [0.1]
    assert table["seeds"].tolist() == [2]
    assert difference(table, "gt_known_diff") == [100, 100, 100]
    assert format_table(table) in "\n".join(done.output)
    assert "_hits" not in (tmp_path / "seeds.csv").read_text()
