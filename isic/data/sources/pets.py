"""Oxford-IIIT Pets (Parkhi et al., CVPR 2012) in the layout of its two official archives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from isic.data.image import UPRIGHT, orientation
from isic.data.index import check_classes, check_unreadable, measure_images
from isic.data.sources.listing import PETS_FOLDERS, visible
from isic.data.true_masks import BACKGROUND, NOT_COUNTED, OBJECT, TrueMasks, collect_masks, read_png
from isic.errors import InputError

LISTS = {"trainval.txt": "train", "test.txt": "test"}
BREEDS = 37
# Of a trimap's values, from 0: pet, background and border are 1, 2 and 3.
MEANING = np.array([BACKGROUND, OBJECT, BACKGROUND, NOT_COUNTED], np.uint8)
REMEDY = "Unpack images.tar.gz and annotations.tar.gz there once more."


def index_pets(
    root: str | os.PathLike[str], unreadable: str = "error", workers: int = 2
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Index Oxford-IIIT Pets, decoding every image once; the classes are the breeds.

    The split is the official one. Files that neither of its lists names are counted in a warning,
    and so are trimaps of background alone: their images have no true box.

    Args:
        root: the folder that holds `images` and `annotations`, or in which a folder
            `oxford-iiit-pet` holds them.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.

    Returns:
        index: columns image_id, split, class, width, height, digest; sorted by split (train
            first), number of the class, image_id.
        truth: columns image_id, x0, y0, x1, y1; pixels of the upright image, x1 and y1 exclusive.
            Of both splits, of the pet and its border, see `mask_box`.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    index, skipped = pets_index(Path(root), unreadable, workers)
    return index, pets_masks(Path(root), index, workers).boxes, skipped


def pets_index(root: Path, unreadable: str, workers: int) -> tuple[pd.DataFrame, list[str]]:
    """Index and skipped images, see `index_pets`; trimaps are not looked at."""
    check_unreadable(unreadable)
    base = _base(root)
    images = base / "images"
    listing = list_pets(base / "annotations")
    names = listing["name"]
    _check_there("image", [images / f"{name}.jpg" for name in names])
    if others := len(visible(images)) - len(names):
        print(f"warning: {images}: {others} files are in neither {' nor '.join(LISTS)}: left out.")
    listing["image_id"] = f"{images.relative_to(root).as_posix()}/" + names + ".jpg"
    expected = list(listing.sort_values("number")["class"].unique())
    check_classes(root, listing, expected)
    index, skipped = measure_images(
        root, listing[["image_id", "split", "class"]], unreadable, workers
    )
    check_classes(root, index, expected)
    return index, skipped


def _base(root: Path) -> Path:
    """The folder that holds `images` and `annotations`."""
    for base in (root / name for name in PETS_FOLDERS):
        if (base / "annotations").is_dir():
            return base
    raise InputError(
        f"{root}: has no folder annotations. Set root to the folder that images.tar.gz and "
        "annotations.tar.gz of Oxford-IIIT Pets were unpacked into."
    )


def _check_there(what: str, paths: list[Path]) -> None:
    if lost := [path for path in paths if not path.exists()]:
        raise InputError(f"{lost[0]}: {what} is missing ({len(lost)} such). {REMEDY}")


def list_pets(annotations: Path) -> pd.DataFrame:
    """Images of the official split in index order: name, split, class (str), number (int)."""
    rows: dict[str, tuple[str, str, str, int]] = {}
    numbers: dict[str, int] = {}
    breeds: dict[int, str] = {}
    for file, split in LISTS.items():
        path = annotations / file
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error}). {REMEDY}") from error
        for line, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            name, *words = text.split()
            breed = name.rpartition("_")[0]
            if len(words) != 3 or not breed or not words[0].isdecimal():
                raise InputError(
                    f"{path}, line {line}: expected BREED_NUMBER, then the breed's class and two "
                    f"more numbers. {REMEDY}"
                )
            number = int(words[0])
            if not 1 <= number <= BREEDS:
                raise InputError(
                    f"{path}, line {line}: class {number} is not one of 1 to {BREEDS}. {REMEDY}"
                )
            earlier = numbers.setdefault(breed, number), breeds.setdefault(number, breed)
            if earlier != (number, breed):
                raise InputError(
                    f"{path}, line {line}: {breed} with class {number} contradicts a line before, "
                    f"{breeds[number]} with class {numbers[breeds[number]]}. {REMEDY}"
                )
            if name in rows:
                raise InputError(f"{path}, line {line}: image {name} comes twice. {REMEDY}")
            rows[name] = (name, split, breed, number)
    listing = pd.DataFrame(rows.values(), columns=["name", "split", "class", "number"])
    return (
        listing.assign(test=listing["split"] == "test")
        .sort_values(["test", "number", "name"], ignore_index=True)
        .drop(columns="test")
    )


def pets_masks(root: Path, index: pd.DataFrame, workers: int) -> TrueMasks:
    """The true masks of the index's images, and their boxes: from the trimaps, see `index_pets`.

    A trimap lies on the pixels as they are stored, so it turns with its image.
    """
    trimaps = _base(root) / "annotations/trimaps"
    _check_there("trimap", [_trimap(trimaps, image_id) for image_id in index["image_id"]])

    def read(image_id: str) -> np.ndarray:
        values = read_png(_trimap(trimaps, image_id))
        if not ((values >= 1) & (values <= 3)).all():
            raise InputError("no trimap, whose pixels are 1 (pet), 2 (background) or 3 (border)")
        turn = UPRIGHT.get(orientation(root / image_id))
        mask = Image.fromarray(MEANING[values])
        return np.asarray(mask if turn is None else mask.transpose(turn))

    return collect_masks(trimaps, index, read, workers, remedy=REMEDY)


def _trimap(trimaps: Path, image_id: str) -> Path:
    return trimaps / f"{Path(image_id).stem}.png"
