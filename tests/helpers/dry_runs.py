"""The commands that the workflow would start, read off dry runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


class Command:
    """One command that the workflow would start.

    Attributes:
        rule, dataset: the job's.
        stage: the command's name: `maps`, `figure localization`.
    """

    def __init__(self, rule: str, dataset: str, line: str) -> None:
        self.rule, self.dataset = rule, dataset
        self.words = shlex.split(line.partition(" 2>&1")[0])
        stage = self.words.index("isic") + 1
        self.stage = " ".join(self.words[stage : stage + 1 + (self.words[stage] == "figure")])

    def all(self, option: str) -> list[str]:
        """The values of an option that may be repeated."""
        following = zip(self.words, self.words[1:], strict=False)
        return [word for name, word in following if name == f"--{option}"]

    def __getitem__(self, option: str) -> str | None:
        """The value of an option, or None."""
        return next(iter(self.all(option)), None)

    def files(self, name: str) -> list[str]:
        """The files it is given, without the folder `results`, whose path has this in it."""
        return [word.removeprefix("results/") for word in self.words if name in word]

    def has(self, settings: dict, *without: str) -> bool:
        """Whether it is given all these settings, and none of those without."""
        for name, value in settings.items():
            found = self[name.replace("_", "-")]
            if name in without:
                assert found is None, f"{name} {found}"
            else:
                assert found is not None, f"no {name}"
                assert found == value if isinstance(value, str) else float(found) == value, name
        return True


def commands(printed: str) -> list[Command]:
    """The commands of the jobs that a dry run prints."""
    jobs = r"^(?:local)?(?:rule|checkpoint) (\w+):\n(?: .*\n)*?"
    jobs += r" +wildcards: dataset=([^,\n]+).*\n(?: .*\n)*"
    found = re.findall(rf"{jobs}Shell command: (.*\bisic .*)$", printed, re.M)
    return [Command(*job) for job in found]


def dry_run(folder: Path, datasets: dict, targets: dict[str, Sequence[str]]) -> list[Command]:
    """What snakemake would run from nothing for these targets of each data set."""
    (folder / "sets.yaml").write_text(yaml.safe_dump({"datasets": datasets}), encoding="utf-8")
    run = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2"]
    run += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    run += [f"results/{name}/{target}" for name, files in targets.items() for target in files]
    run += ["--configfile", str(folder / "sets.yaml")]
    done = subprocess.run(
        run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout
    return commands(done.stdout)


# Three data sets, of which one dry run prints every kind of command.


VIEW = {"resize": 80, "crop": 65}
NAMED = "ResNet18_Weights.IMAGENET1K_V1", "ResNet34_Weights.IMAGENET1K_V1"
RECOGNIZER = {
    "backbone": "resnet50",
    "weights": "ResNet50_Weights.IMAGENET1K_V2",
    "resize": 96,
    "crop": 90,
}
DATASETS = {
    # Two seeds, nothing pretrained, and no value that a default or another section has.
    "own": {
        "source": {"type": "birds"},
        "images": VIEW,
        "seeds": [3, 4],
        "deterministic": True,
        "threads": 2,
        "similarity": {"dimensions": 9},
        "classifier": {
            "backbone": "resnet18",
            "weights": "none",
            "batches": "random",
            "channels": 24,
            "lam": 0.5,
            "gamma": 0.25,
            "epochs": 5,
            "learning_rate": 0.03,
            "backbone_learning_rate": 0.004,
            "momentum": 0.7,
            "weight_decay": 0.002,
            "dropout": 0.3,
            "classes_per_batch": 3,
            "images_per_class": 5,
            "precision": "bf16",
        },
        "features": {"shards": 2, "mirrored": False},
        "directions": {"solver": "sklearn", "compress": 0.4},
        "masks": {"foreground": 0.47, "background": 0.26, "undecided": "ignore"},
        "segmenter": {
            "backbone": "resnet34",
            "weights": "none",
            "channels": 12,
            "epochs": 6,
            "learning_rate": 0.05,
            "backbone_learning_rate": 0.006,
            "momentum": 0.6,
            "weight_decay": 0.003,
            "batch_size": 7,
            "precision": "float32",
        },
        "boxes": {"cam": 0.21, "fused": 0.43, "segmenter": 0.64},
        "scores": {"protocols": ["crop", "original"]},
        "tables": {"lam": [0, 0.5, 2.0], "gamma": [0.25, 0.45]},
    },
    # Pretrained, with a recognizer of its own that is trained, on two GPUs.
    "named": {
        "source": {"type": "birds"},
        "images": VIEW,
        "gpus": 2,
        "classifier": {"backbone": "resnet18", "weights": NAMED[0], "precision": "bf16"},
        "segmenter": {"backbone": "resnet34", "weights": NAMED[1]},
        "features": {"shards": 2},
        "recognizer": {**RECOGNIZER, "epochs": 4, "batch_size": 11, "precision": "float32"},
    },
    # The recognizer as it is downloaded.
    "given": {
        "source": {"type": "birds"},
        "images": VIEW,
        "classifier": {"backbone": "resnet18", "weights": NAMED[0]},
        "segmenter": {"backbone": "resnet34", "weights": NAMED[1]},
        "recognizer": {**RECOGNIZER, "epochs": 0},
    },
}
TARGETS = {
    "own": ("all", *(f"table{n}.csv" for n in range(1, 5)), "predictions/boxes.csv", "check.html"),
    "named": ("table1.csv", "predictions/boxes.csv"),
    "given": ("table1.csv", "predictions/boxes.csv"),
}
BASE, ISIC = "lambda~0_seed~{}", "lambda~0.5_gamma~0.25_seed~{}"
Find = Callable[[str, str], Command]
