"""A run of the workflow, from images to table and picture: what it leaves, again, by hand, with two
processes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
from workflows import ARM, TARGETS, Workflow

RUNS = ("plain_seed~0_cam", "lambda~0_seed~0_cam", f"{ARM}_segmenter")


def test_a_run_ends_with_the_table_and_the_picture(workflow: Workflow):
    birds = workflow.folder / "results" / "birds"
    table = pd.read_csv(birds / "table1.csv")
    columns = "model,backbone,top1_loc,top5_loc,gt_known,mean_iou,gt_known_70,area_ratio,"
    columns += "pxap,mask_iou,boundary_iou,source,protocol,threshold,images,seeds"
    assert ",".join(table.columns) == f"{columns},split,without_box,note"
    assert set(table["source"]) == {"measured"}
    assert set(table["protocol"]) == {"crop", "resize", "original"}
    assert {"CAM", "BASE", "ISIC (this run)"} < set(table["model"])
    assert set(table["images"]) == {8}
    assert (birds / "figures" / "localization.png").stat().st_size > 0
    for run in RUNS:
        boxes = pd.read_csv(birds / run / "boxes.csv")
        assert list(boxes.columns) == ["image_id", "x0", "y0", "x1", "y1", "score"]
        scores = json.loads((birds / run / "scores.json").read_text(encoding="utf-8"))
        assert set(scores["protocols"]) == {"crop", "resize", "original"}


def test_each_job_leaves_a_log_and_a_benchmark(workflow: Workflow):
    birds = workflow.folder / "results" / "birds"
    logs = {path.relative_to(birds / "logs") for path in birds.glob("logs/**/*.log")}
    timed = {path.relative_to(birds / "benchmarks") for path in birds.glob("benchmarks/**/*.tsv")}
    assert {path.with_suffix("") for path in logs} == {path.with_suffix("") for path in timed}
    assert Path(ARM, "classifier.log") in logs
    for log in logs:  # what it did, on what, how long, with how much memory
        lines = (birds / "logs" / log).read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("isic "), log
        assert re.search(r"^[\w -]+: [\d.]+ s, at most \d+ MiB of memory$", lines[-1]), log


def test_a_second_run_does_nothing(workflow: Workflow):
    done = workflow.run(*TARGETS)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_two_processes_train_one_network(workflow: Workflow):
    """`gpus: 2` starts two; without a GPU, on the CPU. One alone writes."""
    folder = workflow.folder / "results" / "birds"
    network = "lambda~1.0_gamma~0.3_seed~5"
    done = workflow.run(
        f"results/birds/{network}/classifier.safetensors", changes={"birds": {"gpus": 2}}
    )
    assert done.returncode == 0, done.stdout
    assert "python -m isic.training.launch 2 isic classifier" in done.stdout
    log = (folder / "logs" / network / "classifier.log").read_text(encoding="utf-8")
    assert len(re.findall(r"^epoch 2/2: loss", log, re.M)) == 1
    assert len(pd.read_csv(folder / network / "curves.csv")) == 2
    assert (folder / network / "classifier.safetensors").exists()


def test_what_snakemake_prints_runs_by_hand(workflow: Workflow):
    """The commands of a printed run, typed again, give the same bytes."""
    done = workflow.run("--dry-run", "--forceall", TARGETS[0])
    commands = re.findall(r"^Shell command: (isic .*)$", done.stdout, re.M)
    table = workflow.folder / TARGETS[0]
    before = table.read_bytes()
    cheap = [line for line in commands if line.split()[1] in ("index", "boxes", "table")]
    assert len(cheap) == 5  # one index, three times boxes, the table
    for command in cheap:
        again = workflow.shell(["bash", "-euo", "pipefail", "-c", command])
        assert again.returncode == 0, again.stdout
    assert table.read_bytes() == before
    assert workflow.planned() == {}


def test_confidence_is_measured_where_there_are_boxes(workflow: Workflow):
    done = workflow.run("results/birds/risk_coverage.csv")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^test: .* of the more confident half, .* of the rest$", done.stdout, re.M)
    curve = pd.read_csv(workflow.folder / "results/birds/risk_coverage.csv")
    assert set(curve["split"]) == {"train", "test"}
    assert (workflow.folder / "results/birds/figures/risk_coverage.png").stat().st_size > 0
