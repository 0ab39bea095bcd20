"""The folder that `isic predict` writes, and what is read from it again.

images.csv        a row an image: size, class, how many objects, or why it could not be read
boxes.csv         a row an object: box in original pixels, confidence, class
masks/….png       of each image: 0 background, 1 … k the objects, as boxes.csv numbers them
overlays/….jpg    each image with its masks and boxes drawn on it
previews/….jpg    the same, small
index.html        a page on which a person looks through the overlays (`isic.product.gallery`)
predictions.json  format number, the images' folder, class names, the model, settings, versions
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isic.data.image import contents, opened
from isic.data.index import check_ids
from isic.errors import InputError
from isic.storage.faults import fault_number
from isic.storage.tables import read_csv

IMAGE_COLUMNS = ["image_id", "width", "height", "class", "probability", "objects", "mask"]
IMAGE_COLUMNS += ["problem", "note", "overlay"]
LATER = IMAGE_COLUMNS[-2:]  # not in files of older code
BOX_COLUMNS = ["image_id", "object", "x0", "y0", "x1", "y1", "confidence", "area"]
BOX_COLUMNS += ["class", "probability", "width", "height"]
ABOUT = "predictions.json"
FORMAT = 1  # also of folders without a number, which older code wrote
PAGE = "index.html"
OURS = ("images.csv", "boxes.csv", "masks", "overlays", "previews", PAGE, ABOUT)
STATES = ("accepted", "rejected", "box-wrong")  # what a person says of an image


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions, read again."""

    folder: Path
    root: Path  # of the images
    classes: list[str]
    images: pd.DataFrame  # of images.csv, those that could be read
    boxes: pd.DataFrame  # boxes.csv
    problems: dict[str, str]  # images that could not be read, and why

    def by_image(self) -> Iterator[tuple[Any, pd.DataFrame]]:
        """Each image's row (a named tuple) and its rows of boxes.csv, maybe none."""
        groups: dict[Any, pd.DataFrame] = dict(list(self.boxes.groupby("image_id", sort=False)))
        for image in self.images.itertuples(index=False):
            yield image, groups.get(image.image_id, self.boxes.iloc[:0])

    def missing(self) -> list[str]:
        """Images that are not where they were."""
        return [i for i in self.images["image_id"] if not (self.root / i).is_file()]

    def mask(self, image: Any) -> np.ndarray:
        """(height, width) uint8 of an image's row: 0 background, 1 … k its objects.

        Raises:
            InputError: no mask was written, or it cannot be read.
        """
        if not image.mask:
            raise InputError(
                f"{self.folder}: has no masks. Predict again without --no-masks, or export "
                "with --no-masks."
            )
        try:
            with opened(io.BytesIO(contents(self.folder / image.mask)), ("PNG",)) as mask:
                if mask.size != (image.width, image.height):
                    raise ValueError(f"it is not {image.width} x {image.height} pixels large")
                return np.asarray(mask)
        except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
            if fault_number(error) and not isinstance(error, FileNotFoundError):
                raise  # the machine's
            raise InputError(
                f"{self.folder / image.mask}: cannot be read ({error}). Predict again."
            ) from error


def read_predictions(folder: str | os.PathLike[str]) -> Predictions:
    """Read a folder that `isic predict` wrote.

    Raises:
        InputError: it is none, or damaged.
    """
    folder = Path(folder)
    for name in (ABOUT, "images.csv", "boxes.csv"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no {name} in it. Give a folder that `isic predict` wrote.")
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if (number := about.get("format", FORMAT)) > FORMAT:
            raise InputError(
                f"{folder}: made by a newer isic (format {number}; this one reads up to {FORMAT}). "
                "Update isic."
            )
        now = [name for name in IMAGE_COLUMNS if name not in LATER]
        images = read_csv(folder / "images.csv", now, others=LATER)
        bad = images[images["problem"] != ""]
        problems = dict(zip(bad["image_id"], bad["problem"], strict=True))
        images = images[images["problem"] == ""].reset_index(drop=True)
        images = images.astype({"width": int, "height": int, "objects": int})
        check_ids(folder / "images.csv", images["image_id"])  # exports are named after them
        check_ids(folder / "images.csv", images["mask"][images["mask"] != ""])
        boxes = read_csv(folder / "boxes.csv", BOX_COLUMNS)
        boxes = boxes.astype({"object": int, "width": int, "height": int, "confidence": float})
        boxes = boxes.astype(dict.fromkeys(("x0", "y0", "x1", "y1"), float))
        boxes["area"] = pd.to_numeric(boxes["area"])  # empty where no masks were written
        root = Path(os.path.normpath(folder.resolve() / about["root"]))
        classes = list(about["classes"])
        if unknown := set(boxes["class"]) - {*classes, ""}:
            raise ValueError(f"class {min(unknown)} is not in predictions.json")
        return Predictions(folder, root, classes, images, boxes, problems)
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: cannot be read ({' '.join(str(error).split())}). Predict again."
        ) from error


def read_review(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a person said of images, by image: one of `STATES`.

    Raises:
        InputError: the file is none that the page saved.
    """
    table = read_csv(path, ["image_id", "state"])
    if strange := set(table["state"]) - set(STATES):
        raise InputError(
            f"{path}: the state {min(strange)!r} is none of {', '.join(STATES)}. Correct it."
        )
    return dict(zip(table["image_id"], table["state"], strict=True))


def reviewed(predictions: Predictions, path: str | os.PathLike[str], state: str) -> Predictions:
    """The predictions of those images of which a person said `state`.

    Raises:
        InputError: there are none, or the file names an image that was not predicted.
    """
    states = read_review(path)
    if unknown := states.keys() - set(predictions.images["image_id"]):
        raise InputError(
            f"{path}: image {min(unknown)} is not in {predictions.folder}. Save the file again "
            f"from {predictions.folder / PAGE}."
        )
    chosen = {image_id for image_id, said in states.items() if said == state}
    if not chosen:
        raise InputError(
            f"{path}: no image is {state} in it. Choose some in index.html, or --state."
        )
    images, boxes = (
        table[table["image_id"].isin(chosen)].reset_index(drop=True)
        for table in (predictions.images, predictions.boxes)
    )
    return replace(predictions, images=images, boxes=boxes)
