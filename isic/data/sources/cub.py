"""CUB-200-2011 in the layout of its official archive."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from isic.data.index import check_classes, check_unreadable, measure_images, truth_table
from isic.data.sources.listing import CUB_BOXES, CUB_FILES, CUB_FOLDER, cub_base
from isic.data.sources.masked import cub_masks_folder
from isic.data.true_masks import NO_MASKS, TrueMasks, collect_masks, read_grey
from isic.errors import InputError

REMEDY = "Unpack CUB_200_2011.tgz there once more."


def index_cub(
    root: str | os.PathLike[str],
    unreadable: str = "error",
    workers: int = 2,
    *,
    trainable: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Index CUB-200-2011, decoding every image once.

    Args:
        root: the folder CUB_200_2011, or its parent.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.
        trainable: refuse a class without a training image; False for a set to evaluate on only.

    Returns:
        index: columns image_id, split, class, width, height, digest; sorted by split (train
            first), number of the class, image_id.
        truth: columns image_id, x0, y0, x1, y1; original pixels, x1 and y1 exclusive.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    index, skipped = cub_index(Path(root), unreadable, workers, trainable)
    return index, cub_truth(Path(root), index), skipped


def cub_index(
    root: Path, unreadable: str, workers: int, trainable: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """Index and skipped images, see `index_cub`; boxes are not looked at."""
    check_unreadable(unreadable)
    base = cub_base(root)
    absent = [name for name in CUB_FILES if not (base / name).is_file()]
    if absent:
        raise InputError(
            f"{base}: no {', '.join(absent)}. Set root to the folder {CUB_FOLDER} of the "
            "official archive CUB_200_2011.tgz, or to its parent."
        )
    files, labels, splits, names = (_read(base / name) for name in CUB_FILES if name != CUB_BOXES)
    _check_same(base / CUB_FILES[1], labels, files)
    _check_same(base / CUB_FILES[2], splits, files)
    if unknown := [(image, label) for image, label in labels.items() if label not in names]:
        image, label = unknown[0]
        raise InputError(
            f"{base / CUB_FILES[1]}: image {image} has class {label}, "
            f"which is not in classes.txt. {REMEDY}"
        )
    if wrong := [image for image, split in splits.items() if split not in ("0", "1")]:
        raise InputError(f"{base / CUB_FILES[2]}: image {wrong[0]} is neither 0 nor 1. {REMEDY}")

    ids = _ids(root, base, files)
    lost = [image_id for image_id in ids.values() if not (root / image_id).is_file()]
    if lost:
        raise InputError(f"{root / lost[0]}: image is missing ({len(lost)} such). {REMEDY}")
    listing = pd.DataFrame(
        [
            (ids[image], "train" if splits[image] == "1" else "test", names[labels[image]], image)
            for image in files
        ],
        columns=["image_id", "split", "class", "image"],
    )
    number = listing["image"].map(lambda image: int(labels[image]))
    listing = (
        listing.assign(test=listing["split"] == "test", number=number)
        .sort_values(["test", "number", "image_id"], ignore_index=True)
        .loc[:, ["image_id", "split", "class"]]
    )
    expected = [names[label] for label in sorted(names, key=int)]  # also those without an image
    if trainable:
        check_classes(root, listing, expected)
    index, skipped = measure_images(root, listing, unreadable, workers)
    if trainable:
        check_classes(root, index, expected)
    return index, skipped


def cub_truth(root: Path, index: pd.DataFrame, workers: int = 1) -> pd.DataFrame:
    """The true boxes of the index's images, see `index_cub`."""
    base = cub_base(root)
    path = base / CUB_BOXES
    files, boxes = _read(base / CUB_FILES[0]), _read(path)
    _check_same(path, boxes, files)
    ids, keys = _ids(root, base, files), list(boxes)
    return truth_table(
        index,
        [ids[image] for image in keys],
        _corners(path, boxes),
        lambda i: f"{path}, image {keys[i]}",
    )


def cub_masks(root: Path, index: pd.DataFrame, workers: int = 1) -> TrueMasks:
    """The true masks of the index's images, from segmentations.tgz, where it is unpacked.

    Its values are 255 times the share of the annotators that saw the bird there; most must have.
    """
    place = cub_masks_folder(root)
    if not place.is_dir():
        return NO_MASKS

    def read(image_id: str) -> np.ndarray | None:
        path = place.joinpath(*Path(image_id).parts[-2:]).with_suffix(".png")
        return (read_grey(path) > 127).astype(np.uint8) if path.exists() else None

    return collect_masks(place, index, read, workers, remedy="Unpack segmentations.tgz once more.")


def _ids(root: Path, base: Path, files: dict[str, str]) -> dict[str, str]:
    prefix = (base / "images").relative_to(root)
    return {image: (prefix / path).as_posix() for image, path in files.items()}


def _check_same(path: Path, table: dict[str, str], files: dict[str, str]) -> None:
    if differing := set(files).symmetric_difference(table):
        raise InputError(
            f"{path}: image {min(differing)} stands in only one of it and images.txt "
            f"({len(differing)} such images). {REMEDY}"
        )


def _read(path: Path) -> dict[str, str]:
    """Lines `NUMBER TEXT` of a file as a dictionary."""
    table: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text in UTF-8. {REMEDY}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, _, text = line.strip().partition(" ")
        if not key.isdecimal() or not text or key in table:
            raise InputError(f"{path}, line {number}: expected a new number, then text. {REMEDY}")
        table[key] = text.strip()
    return table


def _corners(path: Path, boxes: dict[str, str]) -> np.ndarray:
    """Boxes `x y width height` as float64 (n, 4) x0, y0, x1, y1 (exclusive)."""
    corners = np.empty((len(boxes), 4))
    for row, (image, text) in enumerate(boxes.items()):
        try:
            x, y, width, height = map(float, text.split())
        except ValueError as error:
            raise InputError(
                f"{path}: image {image} has no x, y, width, height. {REMEDY}"
            ) from error
        corners[row] = x, y, x + width, y + height
    return corners
