"""Which jobs lead to a result, from nothing; all data sets are read off one dry run."""

from __future__ import annotations

from collections import Counter

import pytest
from dry_runs import Command, dry_run
from workflows import TINY

WEIGHTS = {"weights": "ResNet18_Weights.IMAGENET1K_V1"}

# Jobs by the tables that are asked for, with two seeds. Both arms, λ = 0 and λ = 1, serve Tables 1
# to 4, λ = 0 in Table 4 to be compared with; Table 3 adds λ = 0.5 and 1.5, Table 4 γ = 0.2, 0.4
# and 0.5.
TABLES = {
    "1": {"classifier": 4, "plain": 2, "segmenter": 2, "features": 4, "masks": 4, "maps": 6},
    "2": {"classifier": 4, "plain": 1, "segmenter": 4, "features": 8, "masks": 8, "maps": 12},
    "12": {"classifier": 4, "plain": 2, "segmenter": 4, "features": 8, "maps": 14},
    "3": {"classifier": 8, "plain": 1, "segmenter": 0, "features": 0, "maps": 8},
    "4": {"classifier": 10, "plain": 1, "segmenter": 0, "features": 0, "maps": 10},
    "123": {"classifier": 8, "plain": 2, "segmenter": 4, "features": 8, "maps": 18},
    "1234": {"classifier": 14, "plain": 2, "segmenter": 4, "features": 8, "maps": 24},
}
# Table 3 or 4, the values of λ that Table 3 has, and whether λ = 0 is a row or is compared with.
BASELINES = {"three": (3, [0, 1.0], False), "bare": (3, [1.0], True), "four": (4, [0, 1.0], True)}
DATASETS = {
    **{f"tables{numbers}": TINY | {"seeds": [0, 1]} for numbers in TABLES},
    **{
        name: TINY | {"tables": {"lam": lams, "gamma": [0.1]}}
        for name, (_, lams, _) in BASELINES.items()
    },
    "without-icfs": TINY | {"tables": {"lam": [0], "gamma": [0.1, 0.2]}},
    "from-weights": TINY | {name: TINY[name] | WEIGHTS for name in ("classifier", "segmenter")},
}
TARGETS = {
    **{f"tables{numbers}": [f"table{n}.csv" for n in numbers] for numbers in TABLES},
    **{name: [f"table{number}.csv"] for name, (number, *_) in BASELINES.items()},
    "without-icfs": ["table3.csv"],
    "from-weights": ["predictions/boxes.csv"],
}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Command]]:
    """By data set."""
    commands = dry_run(tmp_path_factory.mktemp("plans"), DATASETS, TARGETS)
    return {name: [c for c in commands if c.dataset == name] for name in DATASETS}


def counted(commands: list[Command]) -> Counter[str]:
    return Counter(command.rule for command in commands)


@pytest.mark.parametrize("tables", TABLES)
def test_tables_share_what_they_can(jobs: dict[str, list[Command]], tables: str):
    planned = counted(jobs[f"tables{tables}"])
    assert {rule: planned[rule] for rule in TABLES[tables]} == TABLES[tables]
    assert planned["similarity"] == planned["topk"] == planned["images"] == 1


def test_without_icfs_gamma_does_not_matter(jobs: dict[str, list[Command]]):
    planned = counted(jobs["without-icfs"])
    assert planned["classifier"] == 1
    assert "similarity" not in planned


@pytest.mark.parametrize("dataset", BASELINES)
def test_base_is_compared_with_where_it_is_no_row(jobs: dict[str, list[Command]], dataset: str):
    number, _, compared = BASELINES[dataset]
    (table,) = (command for command in jobs[dataset] if command.rule == "ablation")
    assert str(number) in table.words
    base = f"results/{dataset}/lambda~0_seed~0_cam/scores.json"
    assert table.all("baseline") == [base] * compared
    assert table.words.count(base) == 1


def test_boxes_from_weights_need_no_network_but_the_two(jobs: dict[str, list[Command]]):
    """Neither λ = 0 nor the plain network nor the test images are needed to localise."""
    planned = counted(jobs["from-weights"])
    assert planned["classifier"] == planned["segmenter"] == planned["model"] == 1
    assert not {"plain", "topk", "maps", "scores"} & set(planned)
