"""What changes in a data set's folder, and what the workflow makes again for it.

`images` stands for all that goes by the index: each of those rules takes it in the same way.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from photos import photos, picture
from PIL import Image

ROOT = Path(__file__).parents[2]
BOXES = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"
SETS = {
    "own": {"source": {"root": "photos"}, "images": {"resize": 64, "crop": 56}},
    "drawn": {
        "source": {"type": "birds", "genera": 1, "species": 2, "train_images": 1, "size": 40},
        "images": {"resize": 64, "crop": 56},
    },
}
TARGETS = [f"results/{name}/{file}" for name in SETS for file in ("images~64.h5", "truth.csv")]


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *TARGETS]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "sets.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def made(said: str) -> list[str]:
    """The rules whose jobs ran, or would, in alphabetical order."""
    return sorted(set(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", said, re.M)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reindexed")
    photos(folder / "photos", {"a": 2, "b": 2})
    (folder / "sets.yaml").write_text(yaml.safe_dump({"datasets": SETS}), encoding="utf-8")
    assert made(snakemake(folder)) == ["birds", "images", "index", "truth"]
    return folder


def looked_at(folder: Path) -> None:
    """What file managers leave, and times of folders."""
    for name in (".DS_Store", "a/.DS_Store", "a/Thumbs.db", "desktop.ini", "b/desktop.ini"):
        (folder / "photos" / name).write_bytes(b"x")
    for place in ("a/.thumbnails", "a/@eaDir/0.png"):
        picture(folder / "photos" / place / "0.png", 1)
    os.utime(folder / "photos/a")
    os.utime(folder / "photos")


def nothing(folder: Path) -> None:
    """The last change is settled, too."""


def boxes(folder: Path) -> None:
    rows = "train,a,0.png,90,70,1,2,30,40\n"
    (folder / "photos/boxes.csv").write_text(BOXES + rows, encoding="utf-8")


def masks(folder: Path) -> None:
    path = folder / "photos/masks/train/a/0.png"
    path.parent.mkdir(parents=True)
    Image.new("L", (90, 70), 1).save(path)


def copied(folder: Path) -> None:
    """Every file has a new time, and no file a new content."""
    shutil.copytree(folder / "photos", folder / "other", copy_function=shutil.copy)
    shutil.rmtree(folder / "photos")
    (folder / "other").rename(folder / "photos")


def turned(folder: Path) -> None:
    """In place, and with the old time, which some programs put back."""
    path = folder / "photos/a/0.png"
    before = path.stat()
    with Image.open(path) as image:
        image.rotate(180).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def drawn_over(folder: Path) -> None:
    path = next((folder / "results/drawn/source").glob("train/*/*"))
    with Image.open(path) as image:
        image.rotate(180).save(path)


def unlabelled(folder: Path) -> None:
    (folder / "photos/a/1.png").rename(folder / "photos/b/x.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "again"),
    [
        (looked_at, []),
        (boxes, ["truth"]),
        (masks, ["truth"]),
        (copied, ["index", "truth"]),  # boxes.csv and the mask are copies, too
        (turned, ["images", "index", "truth"]),
        (drawn_over, ["images", "index", "truth"]),
        (unlabelled, ["images", "index", "truth"]),
        (nothing, []),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_content_decides(run: Path, change: Callable[[Path], None], again: list[str]) -> None:
    """One after another, in one folder: each also says that the one before left nothing undone."""
    change(run)
    assert made(snakemake(run)) == again


def test_every_rule_that_goes_by_the_index_goes_by_its_content() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("rules/*.smk"))
    rules = re.split(r"^(?:use )?(?:rule|checkpoint) ", text, flags=re.M)
    users = [rule for rule in rules if "{input.index" in rule]
    assert len(users) > 15
    for rule in users:
        assert "index=ancient(indexed)," in rule
        assert "index=index_digest," in rule
    assert len(re.findall(r"Files\.index\b", text)) == 2  # where it is made, and its digest
