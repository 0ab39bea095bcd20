"""What a data set's folder holds, without opening an image, and whether that has changed.

Needs no numpy: the Snakefile asks at every start.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
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
CUB_BOXES = "bounding_boxes.txt"
FOLDER_BOXES = "boxes.csv"
IMAGENET_BASES = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
IMAGENET_CSV = "LOC_val_solution.csv"
IMAGENET_XML = (
    "ILSVRC/Annotations/CLS-LOC/val",
    "Annotations/CLS-LOC/val",
    "bbox/val",
    "ILSVRC2012_bbox_val_v3/val",
)
PETS_FOLDERS = ("", "oxford-iiit-pet")  # as the archives are; as torchvision unpacks them


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


def index_state(layout: str, root: Path) -> str:
    """A digest that differs when images or labels may have changed: names, sizes and times.

    Of boxes it knows nothing, nor of folders' times.

    Args:
        layout: folder, cub, imagenet or pets.
    """
    if layout == "cub":
        base = cub_base(root).relative_to(root)
        tables = [base / name for name in CUB_FILES if name != CUB_BOXES]
        return _digest([*_named(root, tables), *_below(root, base / "images")])
    if layout == "pets":
        lists = [p.relative_to(root) for p in sorted(root.glob("**/annotations/*.txt"))]
        images = (_below(root, Path(name, "images")) for name in PETS_FOLDERS)
        return _digest([*_named(root, lists), *itertools.chain(*images)])
    if layout == "imagenet":
        images = (_below(root, Path(b, n)) for b in IMAGENET_BASES for n in ("train", "val"))
        lines = [line for line in itertools.chain(*images) if not line[0].endswith(".xml")]
        texts = [*root.glob("*.txt"), *root.glob("data/*"), *root.glob("*/data/*")]
        lines += _named(root, [path.relative_to(root) for path in texts if path.is_file()])
        if any(re.fullmatch(r"(.*/)?val/[^/]+", name) for name, _ in lines):  # not in class folders
            lines += _imagenet_labels(root) or _imagenet_xml(root)
        return _digest(lines)
    return _digest(line for line in _below(root, Path()) if "/" in line[0])


def truth_state(layout: str, root: Path) -> str:
    """A digest that differs when the true boxes may have changed, see `index_state`."""
    if layout == "cub":
        return _digest(_named(root, [cub_base(root).relative_to(root) / CUB_BOXES]))
    if layout == "pets":
        trimaps = (_below(root, Path(name, "annotations/trimaps")) for name in PETS_FOLDERS)
        return _digest(itertools.chain(*trimaps))
    if layout == "imagenet":
        return _digest([*_named(root, [Path(IMAGENET_CSV)]), *_imagenet_xml(root)])
    return _digest(_named(root, [Path(FOLDER_BOXES)]))


# A file's or folder's name below the root, and what tells one state of it from another.
Line = tuple[str, str]


def _below(root: Path, start: Path) -> Iterator[Line]:
    """All that is below a folder of the root, links followed, but for what others leave there.

    Of folders the name alone counts, and ends in `/`.
    """
    if not (root / start).is_dir():
        return
    waiting = [
        ("" if start == Path() else f"{start.as_posix()}/", {os.path.realpath(root / start)})
    ]
    while waiting:
        prefix, above = waiting.pop()
        try:
            entries = visible(root / prefix)
        except OSError:  # closed to us: whoever reads it says so
            yield prefix, "closed"
            continue
        for entry in entries:
            name = prefix + entry.name
            if not entry.is_dir():
                yield name, _state(entry)
                continue
            yield f"{name}/", ""
            if (real := os.path.realpath(entry.path)) not in above:  # a link may lead back
                waiting.append((f"{name}/", above | {real}))


def _named(root: Path, names: Iterable[Path]) -> Iterator[Line]:
    return ((name.as_posix(), _state(root / name)) for name in names)


def _state(file: Path | os.DirEntry[str]) -> str:
    try:
        found = file.stat()
    except OSError:
        return "none"
    # ctime too: some programs that write over an image put its old mtime back.
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _imagenet_labels(root: Path) -> list[Line]:
    """What LOC_val_solution.csv says of the images' classes, and nothing of their boxes."""
    try:
        with (root / IMAGENET_CSV).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error):  # whoever reads it says so
        return []
    return [(row[0], " ".join(row[1:]).partition(" ")[0]) for row in rows]


def _imagenet_xml(root: Path) -> Iterator[Line]:
    folders = [*IMAGENET_XML, *(f"{base}/val".lstrip("/") for base in IMAGENET_BASES)]
    lines = itertools.chain(*(_below(root, Path(name)) for name in folders))
    return (line for line in lines if line[0].endswith(".xml"))


def _digest(lines: Iterable[Line]) -> str:
    texts = sorted(f"{name}\0{state}\n".encode(errors="surrogateescape") for name, state in lines)
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]
