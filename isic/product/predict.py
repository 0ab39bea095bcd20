"""Writes predictions: boxes, masks and overlays of images, and what could not be read."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from tqdm import tqdm

from isic.data.image import contents, decode_small, in_order
from isic.errors import InputError, printable
from isic.evaluation.figures.fonts import font, unwritten
from isic.evaluation.figures.fonts import labels as writable
from isic.process import cores
from isic.product.gallery import write_gallery
from isic.product.localizer import Localization, Localizer
from isic.product.predictions import ABOUT, BOX_COLUMNS, FORMAT, IMAGE_COLUMNS, OURS
from isic.storage.files import write_json
from isic.storage.folders import filled, finish
from isic.storage.tables import write_csv

OVERLAY, PREVIEW = 1024, 320  # longer side, pixels
# Colours that are told apart by eye on photographs and by most colour-blind people (Okabe, Ito).
COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0)),
    *((204, 121, 167), (0, 114, 178)),
)


def names_for(image_ids: Iterable[str], suffix: str) -> dict[str, str]:
    """A file name of its own for each image: the image's with another suffix, or, where another
    image would come to the same (a.jpg and a.png), with one more."""
    ids = list(image_ids)
    plain = {image_id: Path(image_id).with_suffix(suffix).as_posix() for image_id in ids}
    longer = {image_id: f"{image_id}{suffix}" for image_id in ids}
    # A plain name that is another's longer one is not free either: a.jpg.gif beside a.jpg.
    often = Counter([*plain.values(), *longer.values()])
    return {
        i: plain[i] if often[plain[i]] == 1 + (plain[i] == longer[i]) else longer[i] for i in ids
    }


@contextmanager
def new_predictions(folder: Path) -> Iterator[Path]:
    """Yield a new folder; what is in it is moved into `folder` when the block ends well.

    Earlier predictions in `folder` are replaced; other files in it stay.

    Raises:
        InputError: `folder` has files of the same names that `isic predict` did not write.
    """
    folder = Path(folder)
    finish(folder, OURS)
    there = [name for name in OURS if (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Name a folder with --output.")
    if there and not (folder / ABOUT).is_file():
        raise InputError(
            f"{folder}: has a {there[0]} that `isic predict` did not write. "
            "Name another folder with --output."
        )
    with filled(folder, OURS) as part:
        yield part


@dataclass(frozen=True)
class PredictOptions:
    """What `predict` is to find and to write."""

    all_objects: bool = False
    min_area: float = 0.0
    refine: bool = False
    masks: bool = True
    overlays: bool = True
    classes: bool = True


def predict(
    localizer: Localizer,
    root: Path,
    image_ids: Sequence[str],
    folder: Path,
    options: PredictOptions,
    *,
    problems: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Localise the objects of images and write all of it to `folder`, whole or not at all.

    Args:
        root: folder that the image ids are relative to.
        problems: what was asked for besides and is no image, with the reason.
        labels: the images' known classes; else a recognizer names them.
        metadata: goes into predictions.json.

    Returns:
        images.csv.
    """
    paths = [root / image_id for image_id in image_ids]
    masks, overlays = names_for(image_ids, ".png"), names_for(image_ids, ".jpg")
    rows: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    with (
        new_predictions(folder) as part,
        ThreadPoolExecutor(cores()) as pool,
        tqdm(total=len(paths), desc="predict", unit=" images", mininterval=1.0) as bar,
    ):
        found = localizer.stream(
            paths,
            all_objects=options.all_objects,
            min_area=options.min_area,
            refine=options.refine,
            classes=options.classes and labels is None,
        )
        names = list(dict.fromkeys(labels)) if labels is not None else localizer.model.classes
        texts = writable(names)
        if options.overlays and (options.classes or labels is not None):
            for line in unwritten(names):
                bar.write(f"isic: {line}.", file=sys.stderr)
        for name in ("masks",) * options.masks + ("overlays", "previews") * options.overlays:
            (part / name).mkdir()

        def written(
            item: tuple[int, Localization | InputError],
        ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
            place, image = item
            image_id = image_ids[place]
            row: dict[str, Any] = {"image_id": image_id}
            if isinstance(image, InputError):
                return row | {"problem": str(image)}, []
            row |= {"width": image.width, "height": image.height}
            row["class"] = image.class_name if labels is None else labels[place]
            row["probability"] = image.probability and round(image.probability, 4)
            row["note"] = "; ".join(image.notes) or None
            numbered = _numbered(image) if options.masks or options.overlays else None
            if options.overlays and numbered is not None:
                row["overlay"] = f"overlays/{overlays[image_id]}"
                try:
                    picture = overlay(paths[place], image, numbered, texts.get(row["class"]))
                except InputError as error:  # it is read a second time, and may be gone by now
                    problem = f"{paths[place]}: cannot be read again ({error})."
                    return {"image_id": image_id, "problem": problem}, []
                _save_jpeg(picture, part / row["overlay"])
                picture.thumbnail((PREVIEW, PREVIEW))
                _save_jpeg(picture, part / "previews" / overlays[image_id])
            if options.masks and numbered is not None:
                row["mask"] = f"masks/{masks[image_id]}"
                save_mask(numbered, part / row["mask"])
            return row | {"objects": len(image)}, _box_rows(row, image, numbered)

        for row, own in in_order(written, enumerate(found), pool, 64):
            bar.update()
            if "problem" in row:
                row["problem"] = printable(row["problem"])  # names the image
                bar.write(f"isic: {row['problem']}", file=sys.stderr)
            rows.append(row)
            boxes += own
        rows += [{"image_id": name, "problem": reason} for name, reason in (problems or {}).items()]
        images = pd.DataFrame(rows, columns=IMAGE_COLUMNS)
        whole = ["width", "height", "objects"]
        images[whole] = images[whole].astype("Int64")
        write_csv(images, part / "images.csv")
        write_csv(pd.DataFrame(boxes, columns=BOX_COLUMNS), part / "boxes.csv")
        place = os.path.realpath(folder)  # by whatever links it is reached
        about = {"root": os.path.relpath(root, place), "classes": names, **(metadata or {})}
        write_json({"format": FORMAT} | about, part / ABOUT)
        if options.overlays:
            write_gallery(part, printable(os.path.basename(os.path.realpath(root))))
    return images


def _numbered(image: Localization) -> np.ndarray:
    """(height, width) uint8: 0 background, 1 … k the objects; where two meet, the larger."""
    result = np.zeros((image.height, image.width), np.uint8)
    for number, mask in enumerate(image.each_mask(), 1):
        result[mask & (result == 0)] = number
    return result


def _box_rows(
    row: Mapping[str, Any], image: Localization, numbered: np.ndarray | None
) -> list[dict[str, Any]]:
    shared = {name: row[name] for name in ("image_id", "class", "probability", "width", "height")}
    rows = []
    for number, (box, confidence) in enumerate(zip(image.boxes, image.confidence, strict=True)):
        corners = dict(zip(("x0", "y0", "x1", "y1"), box.round(4).tolist(), strict=True))
        area = None if numbered is None else int((numbered == number + 1).sum())
        own = {"object": number + 1, "confidence": round(float(confidence), 4), "area": area}
        rows.append(shared | own | corners)
    return rows


def save_mask(numbered: np.ndarray, path: Path) -> None:
    """Write (h, w) uint8 as a palette PNG: its values are the objects, its colours for the eye."""
    palette = [0, 0, 0]
    for number in range(255):
        palette += COLOURS[number % len(COLOURS)]
    image = Image.fromarray(numbered)
    image.putpalette(palette)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", optimize=False)


def overlay(
    source: Path, image: Localization, numbered: np.ndarray, name: str | None
) -> Image.Image:
    """An image with its masks tinted, its boxes, their confidence and the class."""
    picture = decode_small(contents(source), OVERLAY // 2).image
    scale = min(1.0, OVERLAY / max(image.width, image.height))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    tints = np.array([(0, 0, 0), *COLOURS], np.float32)
    small = np.asarray(Image.fromarray(numbered).resize(size, Image.Resampling.NEAREST))
    pixels = np.asarray(picture, np.float32)
    tint = tints[np.where(small > 0, (small.astype(int) - 1) % len(COLOURS) + 1, 0)]
    opacity = np.where(small > 0, 0.4, 0.0).astype(np.float32)[..., None]
    picture = Image.fromarray((pixels * (1 - opacity) + tint * opacity).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    letters = max(11, min(size) // 24)  # pixels
    width = max(2, min(size) // 150)
    for number, box in enumerate(image.boxes * scale):
        colour = COLOURS[number % len(COLOURS)]
        draw.rectangle(tuple(box), outline=colour, width=width)
        x, y = max(0, box[0]), max(0, box[1])
        for text in ([f"{name} "] if name else []) + [f"{image.confidence[number]:.2f}"]:
            style = font(text, letters)  # a script's font may have no digits
            draw.rectangle(draw.textbbox((x, y), text, font=style), fill=colour)
            draw.text((x, y), text, fill=(0, 0, 0), font=style)
            x += draw.textlength(text, font=style) if "\n" not in text else 0
    return picture


def _save_jpeg(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=85)
