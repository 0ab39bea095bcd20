"""Runs of the whole workflow on a tiny data set, which several test modules look at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kills
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "rules", "profiles", "envs", "report", "isic")
TARGETS = ("results/birds/table1.csv", "results/birds/figures/localization.png")
NETWORK = {
    "backbone": "resnet18",
    "weights": "none",
    "channels": 16,
    "epochs": 2,
    "learning_rate": 0.01,
    "backbone_learning_rate": 0.01,
}
TINY = {
    "source": {
        "type": "birds",
        "genera": 2,
        "species": 2,
        "train_images": 8,
        "test_images": 2,
        "size": 80,
    },
    "images": {"resize": 64, "crop": 56},
    "similarity": {"dimensions": 4},
    "classifier": {**NETWORK, "batches": "random", "classes_per_batch": 2, "images_per_class": 2},
    "features": {"shards": 2},
    "segmenter": {**NETWORK, "batch_size": 4},
}
ARM = "lambda~1.0_gamma~0.3_seed~0"
# Two networks at a time: with such small ones most of a job's time is one thread's, its start.
SIDE_BY_SIDE = ("--resources", "gpu=2", "--cores", "8")


class Workflow:
    """A copy of the repository, and snakemake run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = kills.files(folder / "results")  # before any test adds to it

    @classmethod
    def copied(cls, folder: Path) -> Workflow:
        """A new one, that has not run."""
        for name in PARTS:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        new = cls(folder)
        new.configure("tiny.yaml", {"birds": TINY})
        return new

    def configure(self, name: str, datasets: dict) -> None:
        text = yaml.safe_dump({"datasets": datasets})
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str, changes: dict | None = None) -> subprocess.CompletedProcess[str]:
        """Run snakemake; `changes` is merged into the settings of the data sets."""
        self.configure("changes.yaml", changes or {})
        command = [sys.executable, "-m", "snakemake", *SIDE_BY_SIDE, *arguments]
        return self.shell([*command, "--configfile", "tiny.yaml", "changes.yaml"])

    def shell(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PATH": path}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *targets: str, changes: dict | None = None) -> dict[str, int]:
        """Jobs that snakemake would run, by rule, with the settings of data sets changed."""
        done = self.run("--dry-run", *(targets or TARGETS), changes=changes)
        assert done.returncode == 0, done.stdout
        if "Nothing to be done" in done.stdout:
            return {}
        table = re.search(r"^Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", done.stdout, re.M)
        assert table, done.stdout
        counts = dict(line.split() for line in table[1].splitlines())
        return {rule: int(count) for rule, count in counts.items() if rule != "total"}

    @contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """The file `name` with `old` replaced by `new`."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")
