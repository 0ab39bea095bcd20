"""ImageNet (ILSVRC 2012), unpacked by hand in one of the usual ways; LAYOUT says which."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from isic.data.image import ordered_map, orientation, turned
from isic.data.index import check_classes, check_unreadable, measure_images, truth_table
from isic.data.sources.listing import IMAGENET_BASES, IMAGENET_CSV, IMAGENET_XML, visible
from isic.data.walk import is_image, walk
from isic.errors import InputError

LAYOUT = (
    "train/WNID/*.JPEG and val/*.JPEG or val/WNID/*.JPEG (also below ILSVRC/Data/CLS-LOC), "
    "and the boxes of val as LOC_val_solution.csv or as XML files in Annotations/CLS-LOC/val, "
    "bbox/val or beside the images"
)
DEVKITS = ("ILSVRC2012_devkit_t12", "devkit", "")  # each with meta.mat and this in data/:
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
NAMES = ("LOC_synset_mapping.txt", "synset_words.txt")
WNID = re.compile(r"n\d{8}")

# Of each image of val, by its name without suffix: its WNID and its boxes.
Annotations = Mapping[str, tuple[str, list[tuple[float, ...]]]]


def index_imagenet(
    root: str | os.PathLike[str], unreadable: str = "error", workers: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Index ImageNet, decoding every image once; its validation images are the test images.

    A class is called by its WNID and, where the devkit, LOC_synset_mapping.txt or synset_words.txt
    lies in the root, its first name: `n01440764 tench`. Classes are in the order of their WNIDs,
    as torchvision's weights have them. Corners of boxes are taken as they stand, as the field's
    evaluations do; they lie on the pixels as stored, so that a box turns with its image.

    Args:
        root: folder, see LAYOUT.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.

    Returns:
        index: columns image_id, split, class, width, height, digest; sorted by split (train
            first), WNID, image_id.
        truth: columns image_id, x0, y0, x1, y1; original pixels. Empty where there are no boxes.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    index, skipped = imagenet_index(Path(root), unreadable, workers)
    return index, imagenet_truth(Path(root), index, workers), skipped


def imagenet_index(root: Path, unreadable: str, workers: int) -> tuple[pd.DataFrame, list[str]]:
    """Index and skipped images, see `index_imagenet`; boxes are not looked at."""
    check_unreadable(unreadable)
    base = _base(root)
    wnids = [entry.name for entry in visible(base / "train") if WNID.fullmatch(entry.name)]
    if not wnids:
        raise InputError(f"{base / 'train'}: holds no folder named as n01440764. {LAYOUT}.")
    rows = [
        (f"{(base / 'train').relative_to(root).as_posix()}/{wnid}/{name}", "train", wnid)
        for wnid in wnids
        for name in filter(is_image, walk(base / "train" / wnid).files)
    ]
    rows += sorted(_validation(root, base, set(wnids)), key=lambda row: row[2])
    listing = pd.DataFrame(rows, columns=["image_id", "split", "class"])
    names = read_names(root)
    listing["class"] = listing["class"].map(lambda wnid: f"{wnid} {names.get(wnid, '')}".strip())
    expected = [f"{wnid} {names.get(wnid, '')}".strip() for wnid in wnids]
    check_classes(root, listing, expected)
    index, skipped = measure_images(root, listing, unreadable, workers)
    check_classes(root, index, expected)
    return index, skipped


def imagenet_truth(root: Path, index: pd.DataFrame, workers: int) -> pd.DataFrame:
    """The true boxes of the index's images, see `index_imagenet`."""
    annotations, where = read_annotations(root, _base(root))
    tested = list(index.loc[index["split"] == "test", "image_id"])
    boxed = [image_id for image_id in tested if annotations.get(Path(image_id).stem, ("", ()))[1]]
    turns = ordered_map(lambda name: orientation(root / name), boxed, workers, "orientation")
    sizes = index.set_index("image_id")[["width", "height"]]
    ids, corners = [], []
    for image_id, turn in zip(boxed, turns, strict=True):
        boxes = np.array(annotations[Path(image_id).stem][1], np.float64)
        corners.append(turned(boxes, tuple(sizes.loc[image_id]), turn))
        ids += [image_id] * len(boxes)
    return truth_table(
        index, ids, np.concatenate([np.empty((0, 4)), *corners]), lambda i: f"{where}: {ids[i]}"
    )


def _base(root: Path) -> Path:
    """The folder that holds `train`."""
    for base in (root / name for name in IMAGENET_BASES):
        if (base / "train").is_dir():
            return base
    raise InputError(f"{root}: has no folder train. Expected {LAYOUT}.")


def _images(folder: Path) -> list[str]:
    return [entry.name for entry in visible(folder) if is_image(entry.name)]


def _validation(root: Path, base: Path, wnids: set[str]) -> Iterator[tuple[str, str, str]]:
    """Rows of the validation images: of each the folder, the annotation or the devkit's class."""
    folder = base / "val"
    prefix = folder.relative_to(root).as_posix()
    classes = {
        f"{entry.name}/{name}": entry.name
        for entry in visible(folder)
        if entry.is_dir() and WNID.fullmatch(entry.name)
        for name in _images(folder / entry.name)
    }
    if flat := _images(folder):
        annotations, _ = read_annotations(root, base)
        known = {stem: wnid for stem, (wnid, _) in annotations.items()} or read_devkit(root, flat)
        if lacking := [name for name in flat if Path(name).stem not in known]:
            raise InputError(
                f"{folder / lacking[0]}: has no class ({len(lacking)} such images). Put "
                f"{IMAGENET_CSV}, the XML boxes or the folder {DEVKITS[0]} into {root}, or the "
                "images into folders named by WNID."
            )
        classes |= {name: known[Path(name).stem] for name in flat}
    for name, wnid in classes.items():
        if wnid not in wnids:
            raise InputError(
                f"{folder / name}: is of class {wnid}, which has no folder in {base / 'train'}. "
                "Add its training images, or remove the image."
            )
        yield f"{prefix}/{name}", "test", wnid


def read_annotations(root: Path, base: Path) -> tuple[Annotations, Path]:
    """Classes and boxes of the validation images, from the CSV or the XML files; maybe none.

    Returns:
        See `Annotations`, and the file or folder that was read.
    """
    if (root / IMAGENET_CSV).is_file():
        return dict(_csv_boxes(root / IMAGENET_CSV)), root / IMAGENET_CSV
    for folder in [*(root / name for name in IMAGENET_XML), base / "val"]:
        # Beside the images too: flat, or in folders by WNID.
        found = sorted([*folder.glob("*.xml"), *folder.glob("n*/*.xml")])
        if found:
            return {path.stem: _xml_boxes(path) for path in found}, folder
    return {}, root


def _csv_boxes(path: Path) -> Iterator[tuple[str, tuple[str, list[tuple[float, ...]]]]]:
    """`ImageId,PredictionString`, the latter `WNID x0 y0 x1 y1` for each box."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Copy the file again.") from error
    for line, row in enumerate(csv.DictReader(lines), start=2):
        try:
            words = row["PredictionString"].split()
            wnid = words[0]
            groups = [words[i : i + 5] for i in range(0, len(words), 5)]
            boxes = [tuple(map(float, group[1:])) for group in groups if group[0] == wnid]
            if any(len(box) != 4 for box in boxes):
                raise ValueError
            yield row["ImageId"], (wnid, boxes)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise InputError(
                f"{path}, line {line}: expected ImageId,PredictionString with "
                "`WNID x0 y0 x1 y1` for each box. Copy the file again."
            ) from error


def _xml_boxes(path: Path) -> tuple[str, list[tuple[float, ...]]]:
    try:
        objects = ElementTree.parse(path).getroot().findall("object")
        wnid = _text(objects[0], "name")
        boxes = [
            tuple(float(_text(one, f"bndbox/{n}")) for n in ("xmin", "ymin", "xmax", "ymax"))
            for one in objects
            if one.findtext("name") == wnid
        ]
    except (ElementTree.ParseError, IndexError, ValueError) as error:
        raise InputError(
            f"{path}: is no annotation with a name and a bndbox for each object ({error}). "
            "Copy the file again, or remove it."
        ) from error
    return wnid, boxes


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"no {path}")
    return text


def _devkit(root: Path, name: str) -> Path | None:
    paths = (root / kit / "data" / name for kit in DEVKITS)
    return next((path for path in paths if path.is_file()), None)


def _synsets(path: Path) -> list[tuple[int, str, str]]:
    """ILSVRC's number, WNID and words of each class, from the devkit's meta.mat."""
    from scipy.io import loadmat  # here: few need it

    try:
        table = loadmat(path, squeeze_me=True)["synsets"]
        return [
            (int(row["ILSVRC2012_ID"]), str(row["WNID"]), str(row["words"]))
            for row in table
            if row["num_children"] == 0  # the others are groups of classes
        ]
    except Exception as error:  # loadmat raises nearly everything on damaged files
        raise InputError(f"{path}: cannot be read ({error}). Unpack the devkit again.") from error


def read_devkit(root: Path, files: list[str]) -> dict[str, str]:
    """WNID of each validation image, by its name without suffix; none where there is no devkit."""
    numbers, meta = _devkit(root, GROUND_TRUTH), _devkit(root, "meta.mat")
    if numbers is None or meta is None:
        return {}
    wnids = {number: wnid for number, wnid, _ in _synsets(meta)}
    try:
        labels = [wnids[int(word)] for word in numbers.read_text(encoding="utf-8").split()]
    except (KeyError, ValueError) as error:
        raise InputError(f"{numbers}: {error} is no class of {meta}. Unpack it again.") from error
    if len(labels) != len(files):
        raise InputError(
            f"{numbers}: has {len(labels)} lines for {len(files)} images in val. "
            "Unpack ILSVRC2012_img_val.tar again, without adding or removing images."
        )
    return {Path(name).stem: wnid for name, wnid in zip(sorted(files), labels, strict=True)}


def read_names(root: Path) -> dict[str, str]:
    """First name of each class by its WNID; none where no file tells."""
    for name in NAMES:
        if (root / name).is_file():
            lines = (root / name).read_text(encoding="utf-8").splitlines()
            pairs = [line.partition(" ") for line in lines]
            return {wnid: words.partition(",")[0].strip() for wnid, _, words in pairs}
    meta = _devkit(root, "meta.mat")
    if meta is None:
        return {}
    return {wnid: words.partition(",")[0].strip() for _, wnid, words in _synsets(meta)}
