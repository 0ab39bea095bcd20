"""A user's data set: CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg; maybe boxes.csv, and
masks/SPLIT/CLASS/NAME.png.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from isic.data.index import check_classes, check_unreadable, classes, measure_images
from isic.data.sources.boxes_table import boxes_truth, read_boxes
from isic.data.sources.listing import FOLDER_BOXES, SPLITS
from isic.data.sources.masked import MASKS, has_masks
from isic.data.true_masks import FORM, NO_MASKS, TrueMasks, collect_masks, read_png
from isic.data.walk import Walk, few, is_image, remarks, walk
from isic.errors import InputError, is_utf8

LAYOUT = "CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg, and optionally boxes.csv"
PARTS = (*SPLITS, "training", "testing", "val", "valid", "validation", "dev", "eval", "holdout")


def index_folder(
    root: str | os.PathLike[str], unreadable: str = "error", workers: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Index a folder of class folders, decoding every image once.

    Without a folder `test` the index has training images only, without a folder `train` the folder
    itself holds the classes, all images for training. What is left out is counted in warnings, see
    `isic.data.walk`.

    Args:
        root: folder that holds `train`, or the class folders.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.

    Returns:
        index: columns image_id, split, class, width, height, digest; sorted by split (train
            first), class, image_id.
        truth: columns image_id, x0, y0, x1, y1; original pixels, x1 and y1 exclusive. Without
            boxes.csv the boxes of the masks, if there are any.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    root = Path(root)
    check_unreadable(unreadable)
    listing = list_folder(root, unreadable)
    flat = "test" not in split_folders(root, _walk(root))
    rows = read_boxes(root, set(listing["image_id"]), flat)
    index, skipped = _measured(root, listing, unreadable, workers)
    boxes = boxes_truth(root, rows, index)
    return index, boxes if len(boxes) else folder_masks(root, index, workers).boxes, skipped


def folder_index(root: Path, unreadable: str, workers: int) -> tuple[pd.DataFrame, list[str]]:
    """Index and skipped images, see `index_folder`; boxes are not looked at."""
    check_unreadable(unreadable)
    return _measured(root, list_folder(root, unreadable), unreadable, workers)


def _measured(
    root: Path, listing: pd.DataFrame, unreadable: str, workers: int
) -> tuple[pd.DataFrame, list[str]]:
    index, skipped = measure_images(root, listing, unreadable, workers)
    check_classes(root, index, classes(listing))
    return index, skipped


def folder_truth(root: Path, index: pd.DataFrame, workers: int = 1) -> pd.DataFrame:
    """The true boxes of the index's images, see `index_folder`; those of skipped images are left
    out."""
    found = _walk(root) if (root / FOLDER_BOXES).exists() else Walk()
    flat = bool(found.files) and "test" not in split_folders(root, found)
    return boxes_truth(root, read_boxes(root, set(found.files), flat), index)


def folder_masks(root: Path, index: pd.DataFrame, workers: int = 1) -> TrueMasks:
    """The true masks of the index's images: masks/SPLIT/CLASS/NAME.png. Those of training images
    lie in masks/train, as boxes.csv has it, also where there are no splits."""
    if not has_masks(root):
        return NO_MASKS
    splits = dict(zip(index["image_id"], index["split"], strict=True))
    flat = not all(image_id.startswith(f"{split}/") for image_id, split in splits.items())

    def path(image_id: str) -> Path:
        place = root / MASKS / splits[image_id] if flat else root / MASKS
        return (place / image_id).with_suffix(".png")

    def read(image_id: str) -> np.ndarray | None:
        return read_png(path(image_id)) if path(image_id).exists() else None

    used = {path(image_id).relative_to(root).as_posix() for image_id in splits}
    written = [f"{MASKS}/{name}" for name in walk(root / MASKS).files]
    if strange := [name for name in written if name not in used]:
        print(f"warning: {root}: {len(strange)} files in {MASKS} are the mask of no image "
              f"({FORM}, named as the image is): {few(strange)}")  # fmt: skip
    return collect_masks(root / MASKS, index, read, workers)


def _walk(root: Path) -> Walk:
    """What lies in a data set's folder, but for its masks."""
    found = walk(root)
    if has_masks(root):
        found.files = [path for path in found.files if not path.startswith(f"{MASKS}/")]
        found.folders = [path for path in found.folders if f"{path}/".partition("/")[0] != MASKS]
    return found


def list_folder(root: Path, unreadable: str = "error") -> pd.DataFrame:
    """Image files by name, in index order: columns image_id, split, class (str).

    All images below a class folder are of that class.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Set root to the folder that holds {LAYOUT}.")
    found = _walk(root)
    if found.closed and unreadable == "error":
        raise InputError(f"{root}: {remarks(found)[0]} Or set unreadable: skip.")
    splits = split_folders(root, found)
    if unknown := sorted(set(splits.get("test", ())) - {*splits["train"], ""}):
        raise InputError(
            f"{root / 'test' / unknown[0]}: class {unknown[0]!r} is not among the classes in "
            f"{root / 'train'}. Add training images of it, or remove the folder."
        )
    rows = [
        (path, split, name)
        for split, groups in splits.items()
        for name in groups
        if name
        for path in sorted(groups[name])
    ]
    if strange := [path for path, *_ in rows if not is_utf8(path)]:
        raise InputError(
            f"{root}: the names of {len(strange)} images or their folders are not UTF-8: "
            f"{few(strange)}. Rename them; `convmv` does it for whole folders."
        )
    for line in [*remarks(_of_classes(found, splits)), *_unlike(found, rows)]:
        print(f"warning: {root}: {line}")
    listing = pd.DataFrame(rows, columns=["image_id", "split", "class"])
    check_classes(root, listing, [name for name in splits["train"] if name])
    return listing


def split_folders(root: Path, found: Walk) -> dict[str, dict[str, list[str]]]:
    """Of `train`, and of `test` where there are splits, the classes and of each its images; the
    class "" are images beside the class folders.

    A folder `train` with folders in it is a split; without, it is a class, of trains.

    Raises:
        InputError: there are no classes, or it cannot be told which they are.
    """
    flat, train, test = (_by_class(found, place) for place in ("", "train/", "test/"))
    inner = [name for name in train if name]
    filled = [name for name, images in flat.items() if name and images]
    if inner and (any(train[name] for name in inner) or not train.get("")):
        others = [name for name in filled if name.lower() not in PARTS]
        if others and not any(test):
            raise InputError(
                f"{root}: the folder train holds {few(inner)}, and beside it there are images in "
                f"{few(others)}. If train is a class, rename it (trains, say). If it holds the "
                f"classes, name {root / 'train'} instead, or move the others away."
            )
        return {"train": train, "test": test}
    parts = [name for name in filled if name.lower() in PARTS and _folders_of(flat[name])]
    if parts or not filled:
        names = [name for name in flat if name]
        what = f"it holds {few(names)}" if names else "it holds no folders"
        remedy = "If these are parts of a set, name them train and test. " if parts else ""
        loose = f" and {len(flat[''])} images" if flat.get("") else ""
        raise InputError(
            f"{root}: no class folders with images in it, nor a folder train ({what}{loose}). "
            f"{remedy}{''.join(f'{line} ' for line in remarks(found))}Expected {LAYOUT}."
        )
    if len(filled) == 1 and len(inside := _folders_of(flat[filled[0]])) > 1:
        raise InputError(
            f"{root}: has one folder with images, {filled[0]}, which holds {few(inside)}. "
            f"If these are the classes, name {root / filled[0]} instead."
        )
    return {"train": flat}


def _by_class(found: Walk, place: str) -> dict[str, list[str]]:
    """Images below each folder of a place, "" or one that ends in `/`; "" are those beside them."""
    groups: dict[str, list[str]] = {}
    for path in found.folders:
        if path.startswith(place) and "/" not in path[len(place) :]:
            groups[path[len(place) :]] = []
    for path in filter(is_image, found.files):
        if path.startswith(place):
            name, inside, _ = path[len(place) :].partition("/")
            groups.setdefault(name if inside else "", []).append(path)
    written = {path.removeprefix(place) for path in found.predicted if path.startswith(place)}
    return {name: images for name, images in groups.items() if images or name not in written}


def _folders_of(images: list[str]) -> list[str]:
    """Names of the folders, in a class folder at the root, that hold the images."""
    return list(dict.fromkeys(path.split("/")[1] for path in images if path.count("/") > 1))


def _of_classes(found: Walk, splits: dict[str, dict[str, list[str]]]) -> Walk:
    """What was found, without the files that are of no class and no images by name."""
    depth = len(splits)  # of a class folder: CLASS, or train/CLASS
    below = [
        path
        for path in found.files
        if path.count("/") >= depth and (depth == 1 or path.partition("/")[0] in SPLITS)
    ]
    return dataclasses.replace(found, files=below)


def _unlike(found: Walk, rows: list[tuple[str, str, str]]) -> list[str]:
    """Which images are of no class, and which lie deeper than in their class folder, in words."""
    taken, lines = {path for path, *_ in rows}, []
    if left := [path for path in found.files if is_image(path) and path not in taken]:
        lines.append(f"{len(left)} images are in no class folder, and left out: {few(left)}")
    if deep := [row for row in rows if PurePosixPath(row[0]).parent.name != row[2]]:
        path, _, name = deep[0]
        lines.append(f"{len(deep)} images lie in folders of their class folder, as {path}, and are "
                     f"of the class {name!r}")  # fmt: skip
    return lines
