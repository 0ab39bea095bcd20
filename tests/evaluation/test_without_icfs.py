"""λ = 0 for a whole data set: no arm has ICFS, and every table has its rows."""

from __future__ import annotations

import pytest
from outcomes import outcome

from isic.evaluation.tables.ablation import ablation
from isic.evaluation.tables.table1 import table1
from isic.settings import jobs, runs
from isic.settings.check import check

CONFIG = {"source": {"root": "a"}, "classifier": {"lam": 0}, "tables": {"lam": [0]}}
OWN = check({"datasets": {"mine": CONFIG}})["mine"]


def results(names: list[str]) -> list[dict]:
    found = []
    for name in dict.fromkeys(names):
        network, kind = name.rsplit("_", 1)
        swept = runs.values(network)
        assert swept.get("lambda", "0") == "0"
        model = runs.heading(network, kind).model
        assert f"--model {model}" in jobs.scores(OWN, network, kind).replace("'", "")
        found.append(outcome(model, lam=0.0, gamma=None, crop="1101"))
    return found


@pytest.mark.parametrize(
    ("number", "rows"), [(2, ["BASE", "BASE+NMF", "BASE+NMF+SEG"]), (3, [0.0]), (4, [None])]
)
@pytest.mark.parametrize("published", ["none", "cub"])
def test_each_ablation_has_its_rows(number: int, rows: list, published: str) -> None:
    base = [outcome("BASE", lam=0.0, gamma=None, crop="1100")]
    table, seeds = ablation(results(runs.ablation_runs(OWN, number, 0)), number, published, base)
    measured = table[table["source"] == "measured"]
    first = measured.iloc[:, 0].astype(object)
    assert [None if value != value else value for value in first] == rows
    assert set(measured["gt_known"]) == {75.0}
    assert len(seeds) == len(rows)


def test_table_1_and_the_figures_have_theirs() -> None:
    table = table1(results([*runs.table1_runs(OWN, 0).values()]))
    assert list(table["model"]) == ["CAM", "BASE", "ISIC without ICFS (this run)"]
    assert list(runs.figure_columns(OWN)) == ["CAM", "BASE", "NMF", "ISIC"]
    assert [label for label, _ in runs.compared_arms(OWN)] == ["λ = 0"]
