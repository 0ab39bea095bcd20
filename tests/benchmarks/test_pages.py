"""The pages' tables are those of the CSV files beside them."""

from pathlib import Path

import pandas as pd
import pytest
from pages import cell, markdown, page

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/results/*.md")), ROOT / "benchmarks/README.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_say_what_the_files_say(path: Path) -> None:
    assert page(path) == path.read_text(encoding="utf-8"), (
        f"run: python benchmarks/pages.py {path.relative_to(ROOT)}"
    )


def test_a_table_is_written_behind_its_comment(tmp_path: Path) -> None:
    rows = {"protocol": ["crop", "original"], "model": ["BASE", "BASE"], "gt_known": [50.25, 1.0]}
    table = pd.DataFrame(rows).assign(gt_known_sd=1.0, gt_known_diff=2.0)
    table.assign(gt_known_diff_low=-1.0, gt_known_diff_high=5.0).to_csv(tmp_path / "a.csv")
    source = "<!-- a.csv: model, gt_known, gt_known_diff | protocol = crop -->"
    text = f"Before\n\n{source}\n| old |\n\nAfter\n"
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    made = page(tmp_path / "page.md")
    assert "| BASE | 50.2 ± 1.0 | +2.0 [-1.0, 5.0] |\n\nAfter" in made
    assert made.count("BASE") == 1
    assert "old" not in made
    (tmp_path / "page.md").write_text(made, encoding="utf-8")
    assert page(tmp_path / "page.md") == made


def test_cells() -> None:
    row = pd.Series({"lam": 1.0, "model": "BASE", "gt_known_diff": None})
    assert [cell(row, name) for name in row.index] == ["1", "BASE", ""]


def test_seeds_side_by_side() -> None:
    rows = {"data": ["birds", "birds", "photos8"], "seed": [0, 1, 0], "value": [50.5, 60.0, 70.0]}
    made = markdown(pd.DataFrame(rows), ["data", "best value by seed"])
    assert made.splitlines() == [
        "| data | 0 | 1 |",
        "| --- | --- | --- |",
        "| birds | 50.5 | **60** |",
        "| photos8 | **70** |  |",
    ]
    with pytest.raises(ValueError, match="two rows"):
        markdown(pd.DataFrame(rows), ["value by seed"])
