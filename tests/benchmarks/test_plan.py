"""The plan of a data set's run: jobs that Snakemake counts, times the rates that it is given."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from plan import IMAGENET, count_jobs

from isic.product.plan import plan
from isic.settings.sections import Features, Settings

ROOT = Path(__file__).parents[2]
RATES = {
    "images_per_second": dict.fromkeys(
        (
            *("index", "pack", "infer", "infer_recognizer", "directions", "masks", "boxes"),
            *("scores", "train_classifier", "train_plain", "train_segmenter", "train_recognizer"),
        ),
        100.0,
    ),
    "bytes_per_image": {"jpeg": 20_000, "features": 200_000, "mask": 1_000, "map": 2_000},
    "memory_of_an_index": {"rows": 1_000_000, "mib": 500, "seconds": 3.0},
    "peak_mib_of_training": 4000,
}
MACHINE = {"processor": "abacus", "cores": 2, "gpu": None}


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.json"
    path.write_text(json.dumps({"machine": MACHINE, "rates": RATES}), encoding="utf-8")
    return path


def said(*words: object) -> str:
    command = [sys.executable, str(ROOT / "benchmarks/plan.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_plan_of_imagenet(rates: Path) -> None:
    text = said("imagenet", "--rates", rates, "--rate", "train_classifier=1000")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    train, _ = IMAGENET
    # Two classifiers (λ = 0, 1), 5 epochs each; one arm of features in 100 shards, 4 on disk.
    assert rows["classifier"] == ["2", str(2 * 5 * train), "train_classifier", "3.6", "0.0"]
    assert rows["image_shard"][0] == "256"  # at 256 and, of the test images, at 600 pixels
    assert rows["passing_features"][:2] == ["100", str(train)]
    assert float(rows["passing_features"][4]) == pytest.approx(
        0.04 * train * 200_000 / 1e9, abs=0.1
    )
    assert float(rows["masks"][4]) == pytest.approx(train * 1_000 / 1e9, abs=0.1)
    assert float(rows["segmenter"][3]) == pytest.approx(5 * train / 100 / 3600, abs=0.1)
    assert rows["recognizer"][1] == "0"
    assert "not measured but given: train_classifier=1000" in text
    assert "abacus" in text
    # 500 MiB for a million rows, beside what training took where the rates were measured.
    assert "4000 + 666 MiB" in text


def test_where_all_feature_maps_are_kept() -> None:
    settings = Settings(features=Features(shards=8))
    jobs = {"images": 1, "features": 16, "directions": 16, "classifier": 2, "table1": 1}
    table = plan(settings, jobs, 6000, 5000, RATES).set_index("rule")
    assert list(table.index) == ["images", "classifier", "features", "directions", "table1"]
    assert table.loc["images", "GB"] == pytest.approx(11_000 * 3 * 256**2 / 1e9)
    assert table.loc["features", "GB"] == pytest.approx(2 * 6000 * 200_000 / 1e9)  # two arms
    assert table.loc["features", "hours"] == pytest.approx(2 * 6000 / 100 / 3600)
    assert table.loc["table1", "hours"] == 0


@pytest.mark.slow
def test_jobs_are_those_of_the_workflow() -> None:
    jobs = count_jobs("birds", Settings(), [], "table1.csv")
    assert jobs["classifier"] == 2
    assert jobs["table1"] == 1
