"""From class folders and nothing else to boxes and masks."""

from __future__ import annotations

import shutil
import sys

import pandas as pd
from workflows import ARM, TINY, Workflow

RUNS = ("plain_seed~0_cam", "lambda~0_seed~0_cam", f"{ARM}_segmenter")


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
