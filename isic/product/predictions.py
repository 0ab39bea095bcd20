"""The folder that `isic predict` writes, and what is read from it again.

images.csv        a row an image: size, class, how many objects, or why it could not be read
boxes.csv         a row an object: box in original pixels, confidence, class
masks/….png       of each image: 0 background, 1 … k the objects, as boxes.csv numbers them
overlays/….jpg    each image with its masks and boxes drawn on it
predictions.json  the images' folder, the class names, the model, settings and versions
"""

from __future__ import annotations

import glob
import json
import os
import shutil
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
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from isic.data.image import SUFFIXES, contents, decode_small, in_order
from isic.data.index import check_ids
from isic.errors import InputError
from isic.product.localizer import Localization, Localizer
from isic.storage.files import folder_beside, make_folder, write_json
from isic.storage.tables import read_csv, write_csv

IMAGE_COLUMNS = ["image_id", "width", "height", "class", "probability", "objects", "mask"]
IMAGE_COLUMNS += ["problem"]
BOX_COLUMNS = ["image_id", "object", "x0", "y0", "x1", "y1", "confidence", "area"]
BOX_COLUMNS += ["class", "probability", "width", "height"]
ABOUT = "predictions.json"
OURS = ("images.csv", "boxes.csv", "masks", "overlays", ABOUT)
OVERLAY = 1024  # longer side of an overlay, pixels
# Colours that are told apart by eye on photographs and by most colour-blind people (Okabe, Ito).
COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0)),
    *((204, 121, 167), (0, 114, 178)),
)


def find_images(arguments: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    """Image files that files, folders and globs name, each once, in order.

    Folders are searched with all folders in them, for names that end as image files do; hidden
    ones are left out, and those that `isic predict` wrote. A file that is named itself may be
    called anything.

    Returns:
        The files, and for each argument that names none the reason.
    """
    found: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            files = _images_below(path)
        elif os.path.lexists(path):
            files = [path]
        else:
            matches = map(Path, sorted(glob.glob(argument, recursive=True)))
            files = [file for match in matches for file in _named(match)]
            if not files and glob.has_magic(argument):
                problems[argument] = "matches no image"
            elif not files:
                problems[argument] = "no such file or folder"
        if not files and argument not in problems:
            problems[argument] = "no image in this folder"
        for file in files:
            found.setdefault(os.path.abspath(file), file)
    return list(found.values()), problems


def _named(match: Path) -> list[Path]:
    return _images_below(match) if match.is_dir() else [match]


def _images_below(folder: Path) -> list[Path]:
    files = []
    for base, folders, names in os.walk(folder):
        if ABOUT in names:  # predictions, perhaps of these very images: masks and overlays
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = [name for name in sorted(names) if not name.startswith(".")]
        files += [Path(base, n) for n in shown if Path(n).suffix.lower() in SUFFIXES]
    return files


def common_root(files: Sequence[Path]) -> Path:
    """The deepest folder that holds all files, absolute."""
    return Path(os.path.commonpath([os.path.abspath(file.parent) for file in files]))


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
    """Yield a new folder beside `folder`; what is in it is moved there when the block ends well.

    Earlier predictions in `folder` are replaced; other files in it stay.

    Raises:
        InputError: `folder` has files of the same names that `isic predict` did not write.
    """
    folder = Path(folder)
    there = [name for name in OURS if (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Name a folder with --output.")
    if there and not (folder / ABOUT).is_file():
        raise InputError(
            f"{folder}: has a {there[0]} that `isic predict` did not write. "
            "Name another folder with --output."
        )
    with folder_beside(Path(os.path.abspath(folder))) as part:
        yield part
        make_folder(folder)
        for name in OURS:
            old = folder / name
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
        for name in OURS:  # predictions.json last: with it, they are whole
            if (part / name).exists():
                (part / name).replace(folder / name)


@dataclass(frozen=True)
class Asked:
    """What `predict` is to find and to write."""

    all_objects: bool = False
    min_area: float = 0.0
    masks: bool = True
    overlays: bool = True
    classes: bool = True


def predict(
    localizer: Localizer,
    root: Path,
    image_ids: Sequence[str],
    folder: Path,
    asked: Asked,
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
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        tqdm(total=len(paths), desc="predict", unit=" images", mininterval=1.0) as bar,
    ):
        found = localizer.stream(
            paths,
            all_objects=asked.all_objects,
            min_area=asked.min_area,
            classes=asked.classes and labels is None,
        )
        for name in ("masks",) * asked.masks + ("overlays",) * asked.overlays:
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
            numbered = _numbered(image) if asked.masks or asked.overlays else None
            if asked.overlays and numbered is not None:
                target = part / "overlays" / overlays[image_id]
                try:
                    save_overlay(paths[place], image, numbered, row["class"], target)
                except InputError as error:  # it is read a second time, and may be gone by now
                    problem = f"{paths[place]}: cannot be read again ({error})."
                    return {"image_id": image_id, "problem": problem}, []
            if asked.masks and numbered is not None:
                row["mask"] = f"masks/{masks[image_id]}"
                save_mask(numbered, part / row["mask"])
            return row | {"objects": len(image)}, _box_rows(row, image, numbered)

        for row, own in in_order(written, enumerate(found), pool, 64):
            bar.update()
            if "problem" in row:
                bar.write(f"isic: {row['problem']}", file=sys.stderr)
            rows.append(row)
            boxes += own
        rows += [{"image_id": name, "problem": reason} for name, reason in (problems or {}).items()]
        images = pd.DataFrame(rows, columns=IMAGE_COLUMNS)
        whole = ["width", "height", "objects"]
        images[whole] = images[whole].astype("Int64")
        write_csv(images, part / "images.csv")
        write_csv(pd.DataFrame(boxes, columns=BOX_COLUMNS), part / "boxes.csv")
        classes = list(dict.fromkeys(labels)) if labels is not None else localizer.model.classes
        about = {"root": os.path.relpath(root, folder), "classes": classes, **(metadata or {})}
        write_json(about, part / ABOUT)
    return images


def _numbered(image: Localization) -> np.ndarray:
    """(height, width) uint8: 0 background, 1 … k the objects; where two meet, the larger."""
    result = np.zeros((image.height, image.width), np.uint8)
    for number, mask in reversed(list(enumerate(image.masks(), 1))):
        result[mask] = number
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


def save_overlay(
    source: Path, image: Localization, numbered: np.ndarray, name: str | None, path: Path
) -> None:
    """Write an image with its masks tinted, its boxes, their confidence and the class, as JPEG."""
    picture, _ = decode_small(contents(source), OVERLAY // 2)
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
    font = ImageFont.load_default(max(11, min(size) // 24))
    width = max(2, min(size) // 150)
    for number, box in enumerate(image.boxes * scale):
        colour = COLOURS[number % len(COLOURS)]
        draw.rectangle(tuple(box), outline=colour, width=width)
        text = f"{name + ' ' if name else ''}{image.confidence[number]:.2f}"
        x, y = max(0, box[0]), max(0, box[1])
        draw.rectangle(draw.textbbox((x, y), text, font=font), fill=colour)
        draw.text((x, y), text, fill=(0, 0, 0), font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=85)


@dataclass(frozen=True)
class Predictions:
    """A folder of predictions, read again."""

    folder: Path
    root: Path  # of the images
    classes: list[str]
    images: pd.DataFrame  # of images.csv, those that could be read
    boxes: pd.DataFrame  # boxes.csv

    def by_image(self) -> Iterator[tuple[Any, pd.DataFrame]]:
        """Each image's row (a named tuple) and its rows of boxes.csv, maybe none."""
        groups = dict(list(self.boxes.groupby("image_id", sort=False)))
        for image in self.images.itertuples(index=False):
            yield image, groups.get(image.image_id, self.boxes.iloc[:0])

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
            with Image.open(self.folder / image.mask) as mask:
                if mask.size != (image.width, image.height):
                    raise ValueError(f"it is not {image.width} x {image.height} pixels large")
                return np.asarray(mask)
        except (OSError, ValueError, SyntaxError) as error:
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
        images = read_csv(folder / "images.csv", IMAGE_COLUMNS)
        images = images[images["problem"] == ""].reset_index(drop=True)
        images = images.astype({"width": int, "height": int, "objects": int})
        check_ids(folder / "images.csv", images["image_id"])  # exports are named after them
        check_ids(folder / "images.csv", images["mask"][images["mask"] != ""])
        boxes = read_csv(folder / "boxes.csv", BOX_COLUMNS)
        boxes = boxes.astype({"object": int, "width": int, "height": int, "confidence": float})
        boxes = boxes.astype(dict.fromkeys(("x0", "y0", "x1", "y1"), float))
        boxes["area"] = pd.to_numeric(boxes["area"])  # empty where no masks were written
        root = Path(os.path.normpath(folder / about["root"]))
        classes = list(about["classes"])
        if unknown := set(boxes["class"]) - {*classes, ""}:
            raise ValueError(f"class {min(unknown)} is not in predictions.json")
        return Predictions(folder, root, classes, images, boxes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: cannot be read ({' '.join(str(error).split())}). Predict again."
        ) from error
