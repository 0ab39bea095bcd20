"""The page on which a person looks through predictions and says which are right.

It is one file and needs no server: the facts stand in it, the pictures are the overlays beside it.
What the person said comes back as a CSV (`isic.product.predictions.read_review`).
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from isic.evaluation.trust import WHOLE
from isic.product.predictions import PAGE, STATES, Predictions, read_predictions
from isic.storage.files import atomic

WARNINGS = ("nothing found", "box is the whole image", "note on the file")


def write_gallery(folder: Path, title: str) -> None:
    """Write `index.html` into a folder of predictions that has overlays.

    Raises:
        InputError: there are no predictions in it, or they are damaged.
    """
    predictions = read_predictions(folder)
    rows = gallery_rows(predictions)
    content = {
        "rows": rows,
        "warnings": WARNINGS,
        "states": STATES,
        # What was said of other boxes does not hold of these.
        "key": f"isic {hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]}",
    }
    page = resources.files("isic.product").joinpath("gallery.html").read_text(encoding="utf-8")
    templates = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = templates.from_string(page).render(
        title=title, content=content, problems=predictions.problems
    )
    with atomic(folder / PAGE) as part:
        part.write_text(text, encoding="utf-8")


def gallery_rows(predictions: Predictions) -> list[list[Any]]:
    """Of each image: id, address of its overlay, class, confidence, warnings, note.

    The confidence is that of its least sure object, None where nothing was found. A warning is its
    place in `WARNINGS`.
    """
    boxes = predictions.boxes
    area = (boxes["x1"] - boxes["x0"]) * (boxes["y1"] - boxes["y0"])
    facts = boxes.assign(share=area / (boxes["width"] * boxes["height"])).groupby("image_id")
    images = predictions.images.join(
        facts.agg(least=("confidence", "min"), share=("share", "max")), on="image_id"
    )
    rows = []
    for image in images.to_dict("records"):
        flags = image["objects"] == 0, image["share"] > WHOLE, image["note"] != ""
        warnings = [number for number, flag in enumerate(flags) if flag]
        least = None if image["objects"] == 0 else image["least"]
        own = [image["image_id"], quote(image["overlay"]), image["class"], least]
        rows.append([*own, warnings, image["note"]])
    return rows
