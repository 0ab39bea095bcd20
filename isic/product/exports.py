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
from pycocotools import mask as rle

from isic.errors import some
from isic.localization.objects import pixel_box
from isic.product.predictions import Predictions
from isic.storage.files import write_json

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


def voc(image: Any, boxes: pd.DataFrame, name: str) -> str:
    """One image's Pascal VOC annotation, XML; of a name what XML cannot hold is as `held` has it.

    VOC counts pixels from 1, and `xmax`, `ymax` lie inside the box; the box is rounded outwards.

    Args:
        image: a row of images.csv (`image_id`, `width`, `height`).
        boxes: its rows of boxes.csv.
        name: of the file, below the folder of images.
    """
    root = ElementTree.Element("annotation")
    folder, _, file = name.rpartition("/")
    _add(root, "folder", folder)
    _add(root, "filename", file)
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
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace("\r", "&#13;") + "\n"  # a bare one is read as a line break


def _add(parent: ElementTree.Element, name: str, value: object = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = None if value is None else held(str(value))
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


def write_coco(predictions: Predictions, path: Path, masks: bool = True) -> list[str]:
    """Write one JSON file. Returns what a person should know, a line each."""
    write_json(coco(predictions, masks), path)
    gone = predictions.missing()
    there = [f"{some(gone)} not in {predictions.root}, where file_name begins"] if gone else []
    return there or [f"file_name is relative to {predictions.root}"]


def held(name: str, always: bool = False) -> str:
    """A name as XML can hold it: of other characters the bytes, as `%1B`.

    Args:
        always: of all characters.
    """

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in os.fsencode(found[0]))

    return (re.compile("(?s:.)") if always else NO_XML).sub(escaped, name)
