"""What is wrong is said before any work, in a line."""

from __future__ import annotations

import re

import pytest
from workflows import NETWORK, Workflow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    return Workflow.copied(tmp_path_factory.mktemp("fresh"))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"source": {"root": "nowhere"}}, r"datasets\.mine\.source\.root: no folder nowhere\. Put"),
        (
            {"source": {"root": "isic"}, "classifier": {**NETWORK, "weights": "data/r18.pth"}},
            r"datasets\.mine\.classifier\.weights: no file data/r18\.pth\. Put ",
        ),
        (
            {"source": {"root": "isic"}, "classifier": {"epochs": 0}},
            r"^isic: datasets\.mine\.classifier\.epochs: 0 is less than the minimum of 1$",
        ),
        (None, r"results/mine: no such data set; .* cub-literal, imagenet\. Add yours"),
    ],
    ids=["root", "weights", "setting", "data set"],
)
def test_errors_come_before_any_work(fresh: Workflow, dataset: dict | None, message: str):
    changes = {"mine": dataset} if dataset else {}
    done = fresh.run("results/mine/table1.csv", changes=changes)
    assert done.returncode == 1
    assert re.search(message, done.stdout, re.M), done.stdout
    assert "most recent call last" not in done.stdout
    assert not (fresh.folder / "results" / "mine").exists()


def test_an_archive_placed_by_hand_is_taken_and_checked(fresh: Workflow):
    """It is not fetched again, and one with another checksum ends the run, saying so."""
    source = {"type": "cub", "url": "https://localhost/set.tgz", "checksum": f"md5:{'0' * 32}"}
    archive = fresh.folder / "data" / "set.tgz"
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(b"no archive")
    done = fresh.run("results/mine/index.csv", changes={"mine": {"source": source}})
    assert done.returncode == 1
    assert "data/set.tgz: has not the checksum md5:0000" in done.stdout
    assert "Logfile results/mine/logs/unpack.log:" in done.stdout  # Snakemake shows it at the end
    assert archive.exists()
    assert not (fresh.folder / "results" / "mine" / "source").exists()
