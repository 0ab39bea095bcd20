"""A user's data set: CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg; maybe boxes.csv."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd

from isic.data.image import SUFFIXES
from isic.data.index import check_classes, check_unreadable, classes, measure_images, truth_table
from isic.data.sources.listing import SPLITS, visible
from isic.errors import InputError

LAYOUT = "CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg, and optionally boxes.csv"
BOX_COLUMNS = ("split", "class", "file", "width", "height", "xmin", "ymin", "xmax", "ymax")


def index_folder(
    root: str | os.PathLike[str], unreadable: str = "error", workers: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Index a folder of class folders, decoding every image once.

    Without a folder `test` the index has training images only, without a folder `train` the folder
    itself holds the classes, all images for training; without boxes.csv the truth is empty. Hidden
    files are ignored; other files that are no images by name are counted in a warning.

    Args:
        root: folder that holds `train`, or the class folders.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.

    Returns:
        index: columns image_id, split, class, width, height, digest; sorted by split (train
            first), class, image_id.
        truth: columns image_id, x0, y0, x1, y1; original pixels, x1 and y1 exclusive.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    root = Path(root)
    check_unreadable(unreadable)
    listing = list_folder(root)
    rows = read_boxes(root, set(listing["image_id"]))
    index, skipped = measure_images(root, listing, unreadable, workers)
    check_classes(root, index, classes(listing))
    return index, boxes_truth(root, rows, index), skipped


def list_folder(root: Path) -> pd.DataFrame:
    """Image files by name, in index order: columns image_id, split, class (str)."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Set root to the folder that holds {LAYOUT}.")
    folders = _class_folders(root)
    if has_splits(root):
        places = {split: root / split for split in SPLITS}
    elif any(_image_names(root / name) for name in folders):
        places = {"train": root}
    else:
        found = f"it holds {', '.join(folders[:3])}{', …' * (len(folders) > 3)}"
        raise InputError(
            f"{root}: no class folders with images in it, nor a folder train "
            f"({found if folders else 'it holds no folders'}). Expected {LAYOUT}."
        )
    names = {split: _class_folders(place) for split, place in places.items()}
    names.setdefault("test", [])
    unknown = [name for name in names["test"] if name not in names["train"]]
    if unknown:
        raise InputError(
            f"{root / 'test' / unknown[0]}: class {unknown[0]!r} is not among the classes in "
            f"{root / 'train'}. Add training images of it, or remove the folder."
        )
    rows, others = [], 0
    for split, place in places.items():
        for name in names[split]:
            files = _image_names(place / name)
            folder = (place / name).relative_to(root).as_posix()
            rows += [(f"{folder}/{file}", split, name) for file in files]
            others += len(visible(place / name)) - len(files)
    if others:
        print(f"warning: {root}: {others} files or folders are no images by name, and left out.")
    for image_id, *_ in rows:
        try:
            image_id.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{root}: file name {image_id!r} is not UTF-8. Rename it.") from error
    listing = pd.DataFrame(rows, columns=["image_id", "split", "class"])
    check_classes(root, listing, names["train"])
    return listing


def has_splits(root: Path) -> bool:
    """Whether a folder `train` holds class folders; it may also be a class, of trains."""
    return bool(_class_folders(root / "train"))


def _class_folders(folder: Path) -> list[str]:
    return [entry.name for entry in visible(folder) if entry.is_dir()]


def _image_names(folder: Path) -> list[str]:
    """Names in a folder that end as those of images do."""
    return [
        entry.name
        for entry in visible(folder)
        if Path(entry.name).suffix.lower() in SUFFIXES and not entry.is_dir()
    ]


def read_boxes(root: Path, image_ids: set[str]) -> pd.DataFrame:
    """Rows of boxes.csv: line (in the file), image_id and six numbers as float64; maybe none.

    Raises:
        InputError: columns are missing, a number is none, or an image is not in `image_ids`.
    """
    path = root / "boxes.csv"
    numbers = list(BOX_COLUMNS[3:])
    if not path.exists():
        return pd.DataFrame(columns=["line", "image_id", *numbers])
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in BOX_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}: no column {', '.join(missing)}. Its first line must be "
                    f"{','.join(BOX_COLUMNS)}, separated by commas."
                )
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Save it as CSV in UTF-8.") from error
    records = []
    flat = not has_splits(root)
    for line, row in rows:
        image_id = f"{row['class']}/{row['file']}"
        if not flat or row["split"] != "train":
            image_id = f"{row['split']}/{image_id}"
        if image_id not in image_ids:
            raise InputError(
                f"{path}, line {line}: there is no image {image_id}. "
                "Correct split, class and file, or remove the row."
            )
        try:
            records.append((line, image_id, *(float(row[name]) for name in numbers)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}, line {line}: {', '.join(numbers)} of {image_id} must be numbers."
            ) from error
    return pd.DataFrame(records, columns=["line", "image_id", *numbers])


def boxes_truth(root: Path, rows: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Check the rows of boxes.csv against the images and make the truth of them."""
    path = root / "boxes.csv"
    sizes = rows.merge(index, on="image_id", suffixes=("", "_image"))
    wrong = sizes[
        (sizes["width"] != sizes["width_image"]) | (sizes["height"] != sizes["height_image"])
    ]
    if len(wrong):
        row = wrong.iloc[0]
        raise InputError(
            f"{path}, line {row['line']}: says {row['image_id']} has {row['width']:g} x "
            f"{row['height']:g} pixels, but upright it has {row['width_image']} x "
            f"{row['height_image']}. Draw the box on the image as it is, and correct the row."
        )
    lines = rows["line"].to_numpy()
    return truth_table(
        index,
        list(rows["image_id"]),
        rows[["xmin", "ymin", "xmax", "ymax"]].to_numpy(np.float64),
        lambda i: f"{path}, line {lines[i]}",
    )
