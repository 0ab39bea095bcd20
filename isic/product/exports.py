"""Predictions in the formats that other tools read: COCO JSON, Pascal VOC XML, YOLO text.

Sizes and boxes are those of the upright image: a tool that ignores the EXIF orientation of a
photograph sees it, and the box, turned.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pycocotools import mask as rle

from isic.errors import InputError
from isic.localization.objects import pixel_box
from isic.product.predictions import Predictions
from isic.storage.files import write_json
from isic.storage.folders import new_folder

CORNERS = ["x0", "y0", "x1", "y1"]
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NO_CLASS = "object"  # where neither labels nor a recognizer name one


def class_names(predictions: Predictions) -> list[str]:
    """Names of the categories, in order; one for all where no object has a class."""
    used = set(predictions.boxes["class"])
    names = [name for name in predictions.classes if name]
    return names if used - {""} else [NO_CLASS]


def coco(predictions: Predictions, masks: bool = True) -> dict[str, Any]:
    """COCO's object detection format: `bbox` is x, y, width, height; `segmentation` compressed RLE.

    Each annotation has its confidence as `score`, as COCO's result files do.

    Args:
        masks: without, annotations have boxes only, and `area` is the box's.
    """
    names = class_names(predictions)
    numbers = {name: number for number, name in enumerate(names, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_number, (image, boxes) in enumerate(predictions.by_image(), 1):
        images.append(
            {
                "id": image_number,
                "file_name": image.image_id,
                "width": image.width,
                "height": image.height,
            }
        )
        numbered = predictions.mask(image) if masks and len(boxes) else None
        for row in boxes.to_dict("records"):
            x0, y0, x1, y1 = (row[name] for name in CORNERS)
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image_number,
                "category_id": numbers[row["class"] or NO_CLASS],
                "bbox": [x0, y0, round(x1 - x0, 4), round(y1 - y0, 4)],
                "area": round((x1 - x0) * (y1 - y0), 2),
                "iscrowd": 0,
                "score": row["confidence"],
            }
            if numbered is not None:
                encoded = rle.encode(np.asfortranarray(numbered == row["object"], np.uint8))
                counts = encoded["counts"].decode("ascii")  # type: ignore[union-attr] # bytes
                annotation["segmentation"] = {"size": encoded["size"], "counts": counts}
                annotation["area"] = int(rle.area(encoded))
            annotations.append(annotation)
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    info = {"description": "Boxes and masks from image labels, by ISIC"}
    return {
        "info": info,
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def voc(image: Any, boxes: pd.DataFrame) -> str:
    """One image's Pascal VOC annotation, XML; what XML cannot hold of a name becomes `?`.

    VOC counts pixels from 1, and `xmax`, `ymax` lie inside the box; the box is rounded outwards.

    Args:
        image: a row of images.csv (`image_id`, `width`, `height`).
        boxes: its rows of boxes.csv.
    """
    root = ElementTree.Element("annotation")
    folder, _, name = image.image_id.rpartition("/")
    _add(root, "folder", folder)
    _add(root, "filename", name)
    _add(_add(root, "source"), "database", "ISIC")
    size = _add(root, "size")
    for key, value in (("width", image.width), ("height", image.height), ("depth", 3)):
        _add(size, key, value)
    _add(root, "segmented", 0)
    for row in boxes.to_dict("records"):
        corners = np.array([row[key] for key in CORNERS])
        x0, y0, x1, y1 = pixel_box(corners, (image.width, image.height))
        item = _add(root, "object")
        _add(item, "name", row["class"] or NO_CLASS)
        _add(item, "pose", "Unspecified")
        _add(item, "truncated", 0)
        _add(item, "difficult", 0)
        box = _add(item, "bndbox")
        for key, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            _add(box, key, value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, name: str, value: object = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = None if value is None else NO_XML.sub("?", str(value))
    return child


def yolo(image: Any, boxes: pd.DataFrame, names: Sequence[str]) -> str:
    """One image's YOLO label file: a line an object, `class x y width height`.

    The centre and the size are shares of the image's, 0 … 1; the class counts from 0.
    """
    lines = []
    for row in boxes.to_dict("records"):
        x0, y0, x1, y1 = (row[name] for name in CORNERS)
        values = (
            (x0 + x1) / 2 / image.width,
            (y0 + y1) / 2 / image.height,
            (x1 - x0) / image.width,
            (y1 - y0) / image.height,
        )
        number = names.index(row["class"] or NO_CLASS)
        lines.append(f"{number} " + " ".join(f"{value:.6f}" for value in values) + "\n")
    return "".join(lines)


def write_coco(predictions: Predictions, path: Path, masks: bool = True) -> None:
    """Write one JSON file."""
    write_json(coco(predictions, masks), path)


def write_voc(predictions: Predictions, folder: Path) -> None:
    """Write `Annotations/….xml` for each image into a new folder."""
    names = _annotation_names(predictions, ".xml")
    with new_folder(folder) as part:
        for image, boxes in predictions.by_image():
            _write(part / "Annotations" / names[image.image_id], voc(image, boxes))


def write_yolo(predictions: Predictions, folder: Path) -> None:
    """Write `labels/….txt`, `images/…` as links to the images, and `data.yaml` into a new folder.

    Images of folders `train` and `test` are listed as such; else all serve for both.
    """
    names, classes = _annotation_names(predictions, ".txt"), class_names(predictions)
    splits: set[str] = set()
    with new_folder(folder) as part:
        for image, boxes in predictions.by_image():
            _write(part / "labels" / names[image.image_id], yolo(image, boxes, classes))
            link = part / "images" / image.image_id
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.abspath(predictions.root / image.image_id))
            parts = image.image_id.split("/")
            splits.add(parts[0] if len(parts) > 2 else "")  # a class may be called `train`, too
        split = splits == {"train", "test"}
        data = {
            "path": os.path.abspath(folder),
            "train": "images/train" if split else "images",
            "val": "images/test" if split else "images",
            "names": dict(enumerate(classes)),
        }
        _write(part / "data.yaml", yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _annotation_names(predictions: Predictions, suffix: str) -> dict[str, str]:
    """File names under which a reader looks for an image's annotation: its own, another suffix.

    Raises:
        InputError: two images would share one.
    """
    names = {i: Path(i).with_suffix(suffix).as_posix() for i in predictions.images["image_id"]}
    seen: set[str] = set()
    for image_id, name in names.items():
        if name in seen:
            raise InputError(
                f"{predictions.root / image_id}: another image differs only in its suffix, and "
                f"both would be annotated in {name}. Rename one."
            )
        seen.add(name)
    return names
