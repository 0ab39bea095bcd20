"""Folders of images and their annotations, where the tools of Pascal VOC and YOLO look for them.

Images stand there as links; where a tool would not read the file, or would see it turned, as an
upright JPEG. What was written is looked up again as those tools do it.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from isic.data.image import contents, decode, opened, orientation
from isic.errors import InputError, some
from isic.product.exports import class_names, held, voc, yolo
from isic.product.predictions import Predictions
from isic.storage.folders import new_folder

# What YOLO trainers read, by suffix and by content, and its usual suffix.
YOLO = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp"}
YOLO |= {"TIFF": ".tif"}
YOLO_SUFFIXES = (*YOLO.values(), ".jpeg", ".tiff")
VOC = {"JPEG": ".jpg", "MPO": ".jpg"}
# A tool that reads names line by line, or strips them, would take these for others.
NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|^\s|\s$")


def write_voc(predictions: Predictions, folder: Path) -> list[str]:
    """Write `JPEGImages/….jpg`, `Annotations/….xml` and lists in `ImageSets/Main`, a new folder.

    Returns:
        What a person should know, a line each.

    Raises:
        InputError: an image is missing or has changed, or `folder` holds something.
    """
    names = stems(predictions.images["image_id"])
    splits = split_of(names)
    with new_folder(folder) as part:
        check_images(predictions)
        lists: dict[str, list[str]] = {}
        for image, boxes in predictions.by_image():
            stem = names[image.image_id]
            lists.setdefault(splits[image.image_id] or "trainval", []).append(stem)
            place(predictions.root, image, part / "JPEGImages" / stem, VOC)
            _write(part / "Annotations" / f"{stem}.xml", voc(image, boxes, f"{stem}.jpg"))
        if "train" in lists:
            lists["trainval"] = lists["train"]
        for name, lines in lists.items():
            _write(part / f"ImageSets/Main/{name}.txt", "".join(f"{line}\n" for line in lines))
        check_found(voc_pairs(part), len(names), folder)
    classes = {name: held(name) for name in class_names(predictions)}
    return renamed("class", classes) + renamed("image", _plain(names))


def write_yolo(predictions: Predictions, folder: Path) -> list[str]:
    """Write `images/…`, `labels/….txt` and `data.yaml` into a new folder.

    Images of folders `train` and `test` are listed as such; else all serve for both. Returns and
    raises as `write_voc`.
    """
    # Tools look where the last /images/ of a path is /labels/.
    names = stems(predictions.images["image_id"], taken=("images",))
    classes = class_names(predictions)
    lists = ["images/train", "images/test"] if any(split_of(names).values()) else ["images"]
    with new_folder(folder) as part:
        check_images(predictions)
        for image, boxes in predictions.by_image():
            stem = names[image.image_id]
            place(predictions.root, image, part / "images" / stem, YOLO, YOLO_SUFFIXES)
            _write(part / "labels" / f"{stem}.txt", yolo(image, boxes, classes))
        data = {
            "path": os.path.abspath(folder),
            "train": lists[0],
            "val": lists[-1],
            "names": dict(enumerate(classes)),
        }
        _write(part / "data.yaml", yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
        check_found(yolo_pairs(part, lists), len(names), folder)
    return renamed("image", _plain(names))


def check_images(predictions: Predictions) -> None:
    """InputError unless every image is where it was when it was predicted."""
    if gone := predictions.missing():
        raise InputError(
            f"{predictions.root}: {some(gone)} not there any more. Put them back, or predict again."
        )


def stems(image_ids: Iterable[str], taken: tuple[str, ...] = ()) -> dict[str, str]:
    """Of each image its path without suffix, and other than every other's.

    What a tool would not find gets another name: folders called as `taken`, hidden files, line
    breaks and blanks at an end; of images that differ in their suffix alone the second.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for image_id in image_ids:
        path = Path(image_id)
        parts = [NO_NAME.sub(lambda c: held(c[0], always=True), p) for p in _parts(path)]
        parts = [f"_{p}" if p.startswith(".") else p for p in parts]
        parts[:-1] = [f"{p}_" if p in taken else p for p in parts[:-1]]
        stem = "/".join(parts)
        if stem in seen:
            stem = f"{stem}_{path.suffix[1:]}"
        number = 2
        while stem in seen:
            stem, number = f"{'/'.join(parts)}_{number}", number + 1
        seen.add(stem)
        found[image_id] = stem
    return found


def _parts(path: Path) -> list[str]:
    return [*path.parts[:-1], path.stem]


def _plain(names: Mapping[str, str]) -> dict[str, str]:
    """The paths without suffix that images have, and those that they got."""
    return {"/".join(_parts(Path(image_id))): stem for image_id, stem in names.items()}


def split_of(image_ids: Iterable[str]) -> dict[str, str]:
    """`train` or `test` of each image, where all lie in folders of these names; else nothing."""
    ids = list(image_ids)
    # A class may be called `train`, too.
    splits = {i: i.split("/")[0] if i.count("/") > 1 else "" for i in ids}
    return splits if set(splits.values()) == {"train", "test"} else dict.fromkeys(ids, "")


def place(
    root: Path, image: Any, stem: Path, formats: Mapping[str, str], suffixes: tuple[str, ...] = ()
) -> None:
    """Put an image at `stem` and its suffix: a link, or an upright JPEG.

    Args:
        image: its row of images.csv.
        formats: what the tool reads as it is, by Pillow's name, and its usual suffix.
        suffixes: others by which the tool knows images.

    Raises:
        InputError: it cannot be read any more, or has another size.
    """
    source = root / image.image_id
    stem.parent.mkdir(parents=True, exist_ok=True)
    try:
        with opened(source) as file:
            form, turned = file.format or "", orientation(source) != 1
            linked = form in formats and not turned
            size = file.size if linked else None
        picture = None if linked else decode(contents(source))
    except (OSError, InputError, Image.DecompressionBombError) as error:
        raise InputError(f"{source}: cannot be read any more ({error}). Predict again.") from error
    if (picture.size if picture else size) != (image.width, image.height):
        raise InputError(f"{source}: has changed since it was predicted. Predict again.")
    if picture:
        picture.save(f"{stem}.jpg", "JPEG", quality=95, subsampling=0)
        return
    suffix = source.suffix if source.suffix.lower() in suffixes else formats[form]
    target = Path(f"{stem}{suffix}")
    try:
        target.symlink_to(os.path.abspath(source))
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def voc_pairs(folder: Path) -> dict[str, str]:
    """Images and their annotations, as torchvision and others look them up in VOC's folders."""
    lists = (folder / "ImageSets/Main").glob("*.txt")
    lines = [line.strip() for file in lists for line in file.open(encoding="utf-8")]
    return {f"{folder}/JPEGImages/{n}.jpg": f"{folder}/Annotations/{n}.xml" for n in lines}


def yolo_pairs(folder: Path, lists: Iterable[str]) -> dict[str, str]:
    """Images and their labels, as Ultralytics' `get_img_files` and `img2label_paths` give them."""
    pattern = os.path.join("**", "*.*")
    found = [
        os.path.join(folder, name, file)
        for name in lists
        for file in glob.glob(pattern, root_dir=folder / name, recursive=True)
    ]
    images = [name for name in found if Path(name).suffix.lower() in YOLO_SUFFIXES]
    return {i: f"{'/labels/'.join(i.rsplit('/images/', 1)).rsplit('.', 1)[0]}.txt" for i in images}


def check_found(pairs: Mapping[str, str], images: int, folder: Path) -> None:
    """InputError unless a tool finds all images, and of each its annotation."""
    found = [pair for pair in pairs.items() if all(map(os.path.isfile, pair))]
    if len(found) != images:
        raise InputError(
            f"{folder}: of {images} images a reader would find {len(found)} with an annotation. "
            "Rename folders and images, and predict again."
        )


def renamed(what: str, names: Mapping[str, str]) -> list[str]:
    """A line that says how many names a reader of the format would not have found."""
    other = [(old, new) for old, new in names.items() if old != new]
    if not other:
        return []
    old, new = other[0]
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return [f"{len(other)} of {len(names)} {plural} have another name there: {old!r} is {new!r}"]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
