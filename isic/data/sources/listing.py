"""What a data set's folder holds, without opening an image."""

from __future__ import annotations

import os
from pathlib import Path

from isic.data.walk import is_passed

SPLITS = ("train", "test")
CUB_FOLDER = "CUB_200_2011"
CUB_FILES = (
    "images.txt",
    "image_class_labels.txt",
    "train_test_split.txt",
    "bounding_boxes.txt",
    "classes.txt",
)


def cub_base(root: Path) -> Path:
    """The folder of the CUB text files: `root` itself, or `root/CUB_200_2011`."""
    inner = root / CUB_FOLDER
    return inner if inner.is_dir() and not (root / "images.txt").exists() else root


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """Entries of `folder` that a walk takes, by name; none when it is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not is_passed(entry.name)),
            key=lambda entry: entry.name,
        )
