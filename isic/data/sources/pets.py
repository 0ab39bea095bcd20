"""Oxford-IIIT Pets (Parkhi et al., CVPR 2012) in the layout of its two official archives."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from isic.data.image import ON_ITS_SIDE, contents, ordered_map, orientation, turned
from isic.data.index import LISTED, check_classes, check_unreadable, measure_images, truth_table
from isic.data.sources.listing import PETS_FOLDERS, visible
from isic.errors import InputError

LISTS = {"trainval.txt": "train", "test.txt": "test"}
BREEDS = 37
PET, BACKGROUND, BORDER = 1, 2, 3  # pixels of a trimap
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
            Of both splits; `pet_box` says of what.
        skipped: ids of the images left out.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    index, skipped = pets_index(Path(root), unreadable, workers)
    return index, pets_truth(Path(root), index, workers), skipped


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


def pets_truth(root: Path, index: pd.DataFrame, workers: int) -> pd.DataFrame:
    """The true boxes of the index's images, from their trimaps, see `index_pets`."""
    trimaps = _base(root) / "annotations/trimaps"
    rows = list(index[["image_id", "width", "height"]].itertuples(index=False, name=None))
    paths = [trimaps / f"{Path(image_id).stem}.png" for image_id in index["image_id"]]
    _check_there("trimap", paths)

    def box(row: int) -> np.ndarray | None:
        image_id, *size = rows[row]
        return upright_box(root / image_id, paths[row], tuple(size))

    found = dict(enumerate(ordered_map(box, range(len(rows)), workers, "trimaps")))
    boxes = {row: corners for row, corners in found.items() if corners is not None}
    if empty := [paths[row].stem for row in found if row not in boxes]:
        more = ", …" if len(empty) > LISTED else ""
        print(
            f"warning: {trimaps}: {len(empty)} of {len(rows)} images have no true box, as their "
            f"trimaps hold background alone: {', '.join(empty[:LISTED])}{more}"
        )
    boxed = list(boxes)
    return truth_table(
        index,
        [rows[row][0] for row in boxed],
        np.reshape([*boxes.values()], (-1, 4)),
        lambda i: str(paths[boxed[i]]),
    )


def upright_box(image: Path, trimap: Path, size: tuple[int, int]) -> np.ndarray | None:
    """Box of the pet in an upright image of `size` (width, height), see `pet_box`.

    A trimap lies on the pixels as they are stored, so its box turns with the image.

    Raises:
        InputError: the trimap cannot be read, is none, or has another size than its image.
    """
    turn = orientation(image)
    values = read_trimap(trimap)
    height, width = values.shape
    if size != ((height, width) if turn in ON_ITS_SIDE else (width, height)):
        raise InputError(
            f"{trimap}: has {width} x {height} pixels, and its image another size. {REMEDY}"
        )
    box = pet_box(values)
    return None if box is None else turned(box[None], size, turn)[0]


def pet_box(trimap: np.ndarray) -> np.ndarray | None:
    """Box of the pet and its border in a trimap.

    The border is a band along the outline in which the annotators left the pet's end open. It
    counts: tails, legs and tips of ears often lie in it wholly, and without it boxes lose a fifth
    of their area.

    Args:
        trimap: (h, w), PET, BACKGROUND or BORDER.

    Returns:
        float64 (4,) x0, y0, x1, y1, the last two exclusive; None where all is background.
    """
    columns, rows = (np.flatnonzero((trimap != BACKGROUND).any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def read_trimap(path: Path) -> np.ndarray:
    """A trimap: uint8 (h, w), PET, BACKGROUND or BORDER.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        with Image.open(io.BytesIO(contents(path)), formats=["PNG"]) as image:
            values = np.asarray(image)
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({reason}). {REMEDY}") from error
    if values.ndim != 2 or not np.isin(values, (PET, BACKGROUND, BORDER)).all():
        raise InputError(
            f"{path}: is no trimap, whose pixels are {PET} (pet), {BACKGROUND} (background) or "
            f"{BORDER} (border). {REMEDY}"
        )
    return values
