"""The workflow itself: from images to table, run twice, and what a change makes it run again.

One tiny run is made in a copy of the repository, so that its code can be edited; the rest are dry
runs.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from workflows import ARM, NETWORK, TARGETS, TINY, Workflow

RUNS = ("plain_seed~0_cam", "lambda~0_seed~0_cam", f"{ARM}_segmenter")

# What follows from a run's new boxes, and what a new pseudo-mask comes to.
BOXES = {"boxes": 1, "scores": 1, "table1": 1, "figure_localization": 1}
SEGMENTER = {"segmenter": 1, "maps": 1, **BOXES}
MASKS = {"masks": 2, **SEGMENTER}
DIRECTIONS = {"directions": 2, **MASKS, "maps": 2, "boxes": 2}  # Figure 5 shows NMF's boxes, too
NEW_ARM = {"classifier": 1, "features": 2, **DIRECTIONS}


def test_a_run_ends_with_the_table_and_the_picture(workflow: Workflow):
    birds = workflow.folder / "results" / "birds"
    table = pd.read_csv(birds / "table1.csv")
    columns = "model,backbone,top1_loc,top5_loc,gt_known,source,protocol,threshold,images,seeds"
    assert ",".join(table.columns) == columns
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
        assert re.search(r"^[\w-]+: [\d.]+ s, at most \d+ MiB of memory$", lines[-1]), log


def test_a_second_run_does_nothing(workflow: Workflow):
    done = workflow.run(*TARGETS)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"classifier": {"gamma": 0.4}}, NEW_ARM),
        ({"classifier": {"lam": 0.5}}, NEW_ARM),
        ({"directions": {"compress": 1.0}}, DIRECTIONS),
        ({"masks": {"foreground": 2.0}}, MASKS),
        ({"segmenter": {"epochs": 3}}, SEGMENTER),
        ({"boxes": {"segmenter": 0.6}}, BOXES),
        ({"scores": {"protocols": ["crop"]}}, {"scores": 3, "trivial": 1, "table1": 1}),
        ({"recognizer": {"epochs": 3}}, {}),
        ({"gpus": 2}, {}),
        (
            {"recognizer": {"backbone": "resnet18", "resize": 64, "crop": 56}},
            {"recognizer": 1, "topk": 1, "scores": 3, "trivial": 1, "table1": 1},
        ),
    ],
    ids=str,
)
def test_a_setting_reruns_its_stage_and_what_follows(
    workflow: Workflow, changes: dict, jobs: dict[str, int]
):
    assert workflow.planned(changes={"birds": changes}) == jobs


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("isic/evaluation/figures/localization.py", {"figure_localization": 1}),
        ("isic/evaluation/tables/table1.py", {"table1": 1}),
        ("isic/segmenter.py", SEGMENTER),
        ("isic/masks.py", MASKS),
        ("isic/nmf.py", DIRECTIONS),
    ],
)
def test_code_reruns_its_stage_and_what_follows(
    workflow: Workflow, name: str, jobs: dict[str, int]
):
    line = "from __future__ import annotations\n"
    with workflow.edited(name, line, f"{line}\nEDITED = True\n"):
        assert workflow.planned() == jobs


def test_the_code_of_one_command_reruns_that_stage(workflow: Workflow):
    line = 'print(f"{path.name}: {len(table)} boxes")'
    with workflow.edited("isic/cli.py", line, f"{line}; print()"):
        assert workflow.planned() == {**BOXES, "boxes": 4, "scores": 3}


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


def test_a_comment_reruns_nothing(workflow: Workflow):
    line = "from __future__ import annotations\n"
    with (
        workflow.edited("isic/nmf.py", line, f"{line}# A comment.\n"),
        workflow.edited("isic/artifacts.py", '"""', '"""Other words: '),
    ):
        assert workflow.planned() == {}


def test_what_snakemake_prints_runs_by_hand(workflow: Workflow):
    """The commands of a printed run, typed again, give the same bytes."""
    done = workflow.run("--dry-run", "--forceall", TARGETS[0])
    commands = re.findall(r"^Shell command: (isic .*)$", done.stdout, re.M)
    table = workflow.folder / TARGETS[0]
    before = table.read_bytes()
    cheap = [line for line in commands if line.split()[1] in ("index", "boxes", "table1")]
    assert len(cheap) == 5  # one index, three times boxes, the table
    for command in cheap:
        again = workflow.shell(["bash", "-euo", "pipefail", "-c", command])
        assert again.returncode == 0, again.stdout
    assert table.read_bytes() == before
    assert workflow.planned() == {}


# Jobs of a set that nothing is there of, by what is asked for, with two seeds. Both arms, λ = 0 and
# λ = 1, serve Tables 1 to 4, λ = 0 in Table 4 to be compared with; Table 3 adds λ = 0.5 and 1.5,
# Table 4 γ = 0.2, 0.4 and 0.5.
@pytest.mark.parametrize(
    ("tables", "jobs"),
    [
        ("1", {"classifier": 4, "plain": 2, "segmenter": 2, "features": 4, "masks": 4, "maps": 6}),
        ("2", {"classifier": 4, "plain": 1, "segmenter": 4, "features": 8, "masks": 8, "maps": 12}),
        ("12", {"classifier": 4, "plain": 2, "segmenter": 4, "features": 8, "maps": 14}),
        ("3", {"classifier": 8, "plain": 1, "segmenter": 0, "features": 0, "maps": 8}),
        ("4", {"classifier": 10, "plain": 1, "segmenter": 0, "features": 0, "maps": 10}),
        ("123", {"classifier": 8, "plain": 2, "segmenter": 4, "features": 8, "maps": 18}),
        ("1234", {"classifier": 14, "plain": 2, "segmenter": 4, "features": 8, "maps": 24}),
    ],
)
def test_tables_share_what_they_can(workflow: Workflow, tables: str, jobs: dict[str, int]):
    targets = [f"results/fresh/table{number}.csv" for number in tables]
    planned = workflow.planned(*targets, changes={"fresh": TINY | {"seeds": [0, 1]}})
    assert {rule: planned.get(rule, 0) for rule in jobs} == jobs
    assert planned["similarity"] == planned["topk"] == planned["images"] == 1


def test_without_icfs_gamma_does_not_matter(workflow: Workflow):
    changes = {"fresh": TINY | {"tables": {"lam": [0], "gamma": [0.1, 0.2]}}}
    planned = workflow.planned("results/fresh/table3.csv", changes=changes)
    assert planned["classifier"] == 1
    assert "similarity" not in planned


@pytest.mark.parametrize(
    ("number", "lams", "baseline"), [(3, [0, 1.0], 0), (3, [1.0], 1), (4, [0, 1.0], 1)]
)
def test_base_is_compared_with_where_it_is_no_row(
    workflow: Workflow, number: int, lams: list[float], baseline: int
):
    changes = {"fresh": TINY | {"tables": {"lam": lams, "gamma": [0.1]}}}
    done = workflow.run("--dry-run", f"results/fresh/table{number}.csv", changes=changes)
    command = re.search(r"^Shell command: (isic ablation .*)$", done.stdout, re.M)[1]
    rows, _, rest = command.partition("_seeds.csv")
    base = "results/fresh/lambda~0_seed~0_cam/scores.json"
    assert rest.count(f"--baseline '{base}'") == command.count("--baseline") == baseline
    assert rows.count(base) == 1 - baseline


def test_labels_alone_end_with_boxes_and_masks_of_every_image(workflow: Workflow):
    """A folder of class folders, and nothing else; the table says that nothing can be scored."""
    source = workflow.folder / "results" / "birds" / "source"
    labelled = workflow.folder / "labelled"
    shutil.copytree(source / "train", labelled)
    first = sorted(labelled.iterdir())[0]
    first.rename(labelled / "-a 'b' $(c) & ü")
    dataset = {**TINY, "source": {"type": "folder", "root": "labelled"}, "features": {"shards": 1}}
    dataset["boxes"] = {"segmenter": 0.2}  # so that two epochs are enough to find objects
    table = "results/labelled/table1.csv"
    folder = workflow.folder / "results/labelled/predictions"
    targets = ["results/labelled/predictions/boxes.csv", "results/labelled/check.html"]
    done = workflow.run(*targets, changes={"labelled": dataset})
    assert done.returncode == 0, done.stdout
    assert not (workflow.folder / table).exists()
    files = {path.relative_to(labelled).as_posix() for path in labelled.glob("*/*.jpg")}
    images = pd.read_csv(folder / "images.csv")
    assert set(images["image_id"]) == files
    assert set(images["class"]) == {path.name for path in labelled.iterdir()}
    assert all((folder / mask).is_file() for mask in images["mask"])
    assert len(list(folder.glob("overlays/*/*.jpg"))) == len(files)
    assert len(pd.read_csv(folder / "boxes.csv")) == images["objects"].sum() > 0
    page = (workflow.folder / "results/labelled/check.html").read_text(encoding="utf-8")
    assert "-a &#39;b&#39; $(c) &amp; ü" in page
    predicted = ["isic", "predict", "results/labelled/model.safetensors", "labelled"]
    done = workflow.shell([sys.executable, "-m", "isic.cli", *predicted[1:], "--output", "new"])
    assert done.returncode == 0, done.stdout
    assert set(pd.read_csv(workflow.folder / "new/images.csv")["image_id"]) == files
    assert pd.read_csv(workflow.folder / "new/boxes.csv")["probability"].between(0, 1).all()

    done = workflow.run(table, changes={"labelled": dataset})
    assert done.returncode == 0, done.stdout
    assert "nothing to score: no boxes" in done.stdout
    rows = pd.read_csv(workflow.folder / table)
    assert list(rows["model"]) == ["CAM", "BASE", "ISIC (this run)"]
    assert rows[["top1_loc", "top5_loc", "gt_known"]].isna().all(axis=None)
    boxes = pd.read_csv(workflow.folder / "results" / "labelled" / RUNS[-1] / "boxes.csv")
    assert set(boxes["image_id"]) <= files
    done = workflow.run("results/labelled/risk_coverage.csv", changes={"labelled": dataset})
    assert done.returncode == 1
    assert "no image has a true box, so nothing can be scored" in done.stdout


def test_confidence_is_measured_where_there_are_boxes(workflow: Workflow):
    done = workflow.run("results/birds/risk_coverage.csv")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^test: .* of the more confident half, .* of the rest$", done.stdout, re.M)
    curve = pd.read_csv(workflow.folder / "results/birds/risk_coverage.csv")
    assert set(curve["split"]) == {"train", "test"}
    assert (workflow.folder / "results/birds/figures/risk_coverage.png").stat().st_size > 0


def test_boxes_from_weights_need_no_network_but_the_two(workflow: Workflow):
    """Neither λ = 0 nor the plain network nor the test images are needed to localise."""
    weights = {"weights": "ResNet18_Weights.IMAGENET1K_V1"}
    sections = {name: {**TINY[name], **weights} for name in ("classifier", "segmenter")}
    planned = workflow.planned(
        "results/fresh/predictions/boxes.csv", changes={"fresh": TINY | sections}
    )
    assert planned["classifier"] == planned["segmenter"] == planned["model"] == 1
    assert not {"plain", "topk", "maps", "scores"} & set(planned)


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
def test_errors_come_before_any_work(workflow: Workflow, dataset: dict | None, message: str):
    changes = {"mine": dataset} if dataset else {}
    done = workflow.run("results/mine/table1.csv", changes=changes)
    assert done.returncode == 1
    assert re.search(message, done.stdout, re.M), done.stdout
    assert "most recent call last" not in done.stdout
    assert not (workflow.folder / "results" / "mine").exists()


def test_an_archive_placed_by_hand_is_taken_and_checked(workflow: Workflow):
    """It is not fetched again, and one with another checksum ends the run, saying so."""
    source = {"type": "cub", "url": "https://localhost/set.tgz", "checksum": f"md5:{'0' * 32}"}
    archive = workflow.folder / "data" / "set.tgz"
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(b"no archive")
    done = workflow.run("results/mine/index.csv", changes={"mine": {"source": source}})
    assert done.returncode == 1
    assert "data/set.tgz: has not the checksum md5:0000" in done.stdout
    assert "Logfile results/mine/logs/unpack.log:" in done.stdout  # Snakemake shows it at the end
    assert archive.exists()
    assert not (workflow.folder / "results" / "mine" / "source").exists()
