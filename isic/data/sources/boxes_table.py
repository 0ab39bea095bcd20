"""boxes.csv: the true boxes of a user's data set, checked before an image is decoded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isic.data.image import upright_size
from isic.data.index import truth_table
from isic.data.true_boxes import EMPTY, OFFSETS, box_faults, may_be_offsets
from isic.errors import InputError, listed

BOX_COLUMNS = ("split", "class", "file", "width", "height", "xmin", "ymin", "xmax", "ymax")
NUMBERS = list(BOX_COLUMNS[3:])
CORNERS = list(BOX_COLUMNS[5:])
NO_IMAGE = "the row names no image (correct split, class and file)"
NO_NUMBER = f"{', '.join(NUMBERS)} must be numbers"
OTHER_SIZE = "width and height are not those of the upright image (draw the box on it as it is)"


def read_boxes(root: Path, image_ids: set[str], flat: bool) -> pd.DataFrame:
    """Rows of boxes.csv: line (in the file), image_id and six numbers as float64; maybe none.

    Args:
        root: the data set's folder.
        image_ids: of its images.
        flat: whether the class folders lie in it, for images of the split `train`.

    Raises:
        InputError: columns are missing; or rows name no image, hold no numbers, another size than
            their image has, or no box of it: all such rows in one message.
    """
    path = root / "boxes.csv"
    if not path.exists():
        return pd.DataFrame(columns=["line", "image_id", *NUMBERS])
    faults: dict[str, list[str]] = {}
    records: list[tuple[Any, ...]] = []
    rows = _read_rows(path)
    for line, row in rows:
        image_id = f"{row['class']}/{row['file']}"
        if not flat or row["split"] != "train":
            image_id = f"{row['split']}/{image_id}"
        if image_id not in image_ids:
            faults.setdefault(NO_IMAGE, []).append(f"line {line}: no image {image_id}")
            continue
        try:
            records.append((line, image_id, *(float(row[name]) for name in NUMBERS)))
        except (TypeError, ValueError):
            faults.setdefault(NO_NUMBER, []).append(f"line {line}: {image_id}")
    table = pd.DataFrame(records, columns=["line", "image_id", *NUMBERS])
    kinds = _kinds(root, table)
    for kind, record in zip(kinds, records, strict=True):
        if kind:
            line, image_id, width, height, *corners = record
            box = ", ".join(f"{value:g}" for value in corners)
            place = f"line {line}: box ({box}) of {image_id}, {width:g} x {height:g} pixels"
            if kind.startswith(OTHER_SIZE):
                kind, place = OTHER_SIZE, place + kind.removeprefix(OTHER_SIZE)
            faults.setdefault(kind, []).append(place)
    offsets = may_be_offsets(table[CORNERS].to_numpy(float), table[["width", "height"]].to_numpy())
    if faults:
        hint = f" Of {len(table)} boxes: {OFFSETS}." if EMPTY in faults and offsets else ""
        raise InputError(
            f"{path}: {listed(faults, len(rows))}.{hint} Correct or remove these rows (corners in "
            "pixels of the upright image, xmax and ymax exclusive)."
        )
    if offsets:
        print(
            f"warning: {path}: {OFFSETS}; as corners, all boxes lie towards the upper left. See "
            "whether the columns hold what they are called."
        )
    return table


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and fields of each row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in BOX_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}: no column {', '.join(missing)}. Its first line must be "
                    f"{','.join(BOX_COLUMNS)}, separated by commas."
                )
            return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Save it as CSV in UTF-8.") from error


def _kinds(root: Path, table: pd.DataFrame) -> list[str]:
    """What is wrong with each row, or ""; sizes are looked up in the images' headers."""
    stated = table[["width", "height"]].to_numpy(float)
    known = {image_id: upright_size(root / image_id) for image_id in table["image_id"].unique()}
    kinds = box_faults(table[CORNERS].to_numpy(float), stated).tolist()
    for row, (image_id, size) in enumerate(zip(table["image_id"], stated, strict=True)):
        actual = known[image_id]
        if actual and tuple(size) != actual:
            kinds[row] = f"{OTHER_SIZE}, but upright it has {actual[0]} x {actual[1]}"
    return kinds


def boxes_truth(root: Path, rows: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """The truth table of checked rows of boxes.csv."""
    path, lines = root / "boxes.csv", rows["line"].to_numpy()
    return truth_table(
        index,
        list(rows["image_id"]),
        rows[CORNERS].to_numpy(np.float64),
        lambda i: f"{path}, line {lines[i]}",
    )
