"""What a data set's folder holds, without opening an image: cheap enough for every start.

Imports nothing beyond the standard library, so that a Snakefile can call it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

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
    """Entries of `folder` that are not hidden, by name; none when it is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")),
            key=lambda entry: entry.name,
        )


def listing_digest(root: str | os.PathLike[str], type: str) -> str:
    """Digest of names, sizes and times of the files that the index of `root` is made from.

    Type `folder`: boxes.csv and all files in train/CLASS and test/CLASS; `cub`: the text files.
    Meant for a folder that the user keeps. One that a rule makes changes when that rule runs, so
    there the rule's output says enough.

    Returns:
        16 hexadecimal digits, or `absent` when there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        return "absent"
    digest = hashlib.sha256()
    for path in _files(root, type):
        try:
            status = os.stat(path)
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            state = "absent"
        digest.update(f"{os.path.relpath(path, root)}\0{state}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _files(root: Path, type: str) -> Iterator[str | Path]:
    if type == "cub":
        yield from (cub_base(root) / name for name in CUB_FILES)
        return
    yield root / "boxes.csv"
    for split in SPLITS:
        for folder in visible(root / split):
            yield folder.path
            yield from (entry.path for entry in visible(Path(folder.path)))
