"""`pip install` of the wheel: command and workflow in a folder of nobody's, from photographs to
boxes, interrupted on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import psutil
import pytest
import yaml
from photos import photos
from processes import alive
from workflows import NETWORK

from isic.process import INTERRUPTED
from isic.product.predictions import read_predictions
from isic.provenance.digests import code_digest, command_modules

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DIGESTS = "from isic.provenance.digests import *; print(*map(code_digest, command_modules()))"
PARTS = (
    "boxes.csv",
    "masks",
    "overlays",
    "index.html",
    "model.safetensors",
    "check.html",
    "coco.json",
    "yolo",
)
DRAWN = "--genera=2", "--species=1", "--train-images=6", "--test-images=1", "--size=80"
TINY = {
    "images": {"resize": 64, "crop": 56},
    "similarity": {"dimensions": 2},
    "classifier": {**NETWORK, "epochs": 1, "classes_per_batch": 2, "images_per_class": 4},
    "features": {"shards": 1},
    "segmenter": {"batch_size": 4},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment that has the wheel, and, by a path, what the
    package needs."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, ROOT]
    subprocess.run(wheel, check=True)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env/bin/python"
    put = [*pip, "--python", python, "install", "--no-deps", "--no-index", *folder.glob("*.whl")]
    subprocess.run(put, check=True)
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder / "env/bin"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: object) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_runs_in_an_empty_folder(installed: Path, empty: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", said(installed / "isic", "--version"))
    theirs = said(installed / "python", "-c", DIGESTS).split()
    assert theirs == [code_digest(stage) for stage in command_modules()]
    photos(empty / "p", {"a": 3, "b": 3})
    network = "--backbone", "mobilenet_v3_small", "--weights", "none"
    text = said(installed / "isic", "run", "p", "--dry-run", *network)
    assert "2 classes, 6 training images" in text
    assert re.search(r"^12 jobs: index, images, classifier, .*predictions$", text, re.M)
    assert re.search(r"^about .* min and [\d.]+ GB of disk", text, re.M)
    assert os.listdir(empty) == ["p"]
    (snakefile,) = installed.parent.glob("lib/*/site-packages/isic/workflow/Snakefile")
    snakemake = installed / "python", "-P", "-m", "snakemake", "--snakefile", snakefile
    assert "figure_localization" in said(*snakemake, "--dry-run")


def test_from_photographs_to_boxes_interrupted(installed: Path, empty: Path) -> None:
    said(installed / "isic", "birds", "drawn", *DRAWN)
    os.rename("drawn/train", "p")
    own = {"source": {"type": "folder", "root": "../p"}, **TINY}
    (empty / "p-boxes").mkdir()
    (empty / "p-boxes/settings.yaml").write_text(yaml.safe_dump({"datasets": {"p": own}}))
    command = [installed / "isic", "run", "p", "--to", "coco,yolo"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    while ": classifier" not in (line := first.stdout.readline()):
        assert line, "it ended before"
    time.sleep(3)
    children = psutil.Process(first.pid).children(recursive=True)
    assert len(children) > 1  # snakemake and a job
    first.send_signal(signal.SIGINT)
    assert first.communicate()[0].splitlines()[-1] == (
        "stopped. What is done is kept in p-boxes; type the same again, and it goes on."
    )
    assert first.returncode == INTERRUPTED
    assert alive(children, 1) == []

    text = said(*command)
    jobs = re.search(r"^\d+ jobs: (.*)$", text, re.M)[1].split(", ")
    assert "classifier" in jobs
    assert {"index", "images"}.isdisjoint(jobs)  # what was done is not done again
    assert re.search(r"^\d+ boxes in 12 images: p-boxes/boxes.csv", text, re.M)
    assert set(PARTS) <= set(os.listdir("p-boxes"))
    assert len(read_predictions("p-boxes").missing()) == 0
    corrected = Path("p-boxes/yolo/labels/corrected.txt")
    corrected.touch()
    again = said(*command)
    assert "nothing to be done" in again
    assert "p-boxes/yolo: is there already and stays" in again
    assert corrected.exists()
    assert "Nothing to be done" in said(  # the line that it printed, by hand
        "sh", "-c", re.findall(r"^(snakemake .*)$", text, re.M)[0].replace(
            "snakemake", f"{installed}/python -P -m snakemake", 1)
    )  # fmt: skip
