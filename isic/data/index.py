"""The index, one row an image, and the truth, one row a box: what every later stage goes by.

index.csv: `image_id, split, class, width, height, digest`; truth.csv: `image_id, x0, y0, x1, y1`.
An `image_id` is the image's path relative to the data set's root; sizes and boxes are in pixels of
the image turned as its EXIF orientation says, x1 and y1 exclusive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from isic.data.image import contents, digest, noted, ordered_map, read
from isic.data.sources.listing import SPLITS
from isic.data.true_boxes import box_faults, overreach
from isic.errors import InputError, listed, some
from isic.storage.tables import read_csv

INDEX_COLUMNS = ("image_id", "split", "class", "width", "height", "digest")
TRUTH_COLUMNS = ("image_id", "x0", "y0", "x1", "y1")
LISTED = 10  # unreadable images named in one message


def classes(index: pd.DataFrame) -> list[str]:
    """Class names in order of first appearance: the class with index c is `classes(index)[c]`."""
    return list(dict.fromkeys(index["class"]))


def class_ids(index: pd.DataFrame) -> np.ndarray:
    """Class index of each image: int64 (n,), 0..C-1."""
    ids = {name: number for number, name in enumerate(classes(index))}
    return index["class"].map(ids).to_numpy(np.int64)


def trained(index: pd.DataFrame) -> slice:
    """Rows of the training images, which stand first: images of these rows are one block."""
    return slice(0, int((index["split"] == "train").sum()))


def evaluated(index: pd.DataFrame) -> slice:
    """Rows of the images that get boxes: the test images, or all where the set has none."""
    first = trained(index).stop
    return slice(first if first < len(index) else 0, len(index))


def measure_images(
    root: Path, listing: pd.DataFrame, unreadable: str, workers: int
) -> tuple[pd.DataFrame, list[str]]:
    """Decode every listed image once, and complete the listing to an index.

    Args:
        root: folder the image ids are relative to.
        listing: columns image_id, split, class; its order is kept.
        unreadable: `error`, or `skip` to leave out images that cannot be decoded.
        workers: threads; the result does not depend on it.

    Returns:
        index: the columns of INDEX_COLUMNS.
        skipped: ids of the images left out.

    Raises:
        InputError: images cannot be decoded (up to 10 are named).
    """

    def measure(image_id: str) -> tuple[int, int, str, tuple[str, ...]] | str:
        try:
            decoded, digest = read(root / image_id, 1)  # a JPEG is whole if an eighth of it is
        except InputError as error:
            return str(error)
        return *decoded.size, digest, decoded.notes

    ids = list(listing["image_id"])
    check_ids(root, ids)
    measured = list(ordered_map(measure, ids, workers, "index"))
    bad = {
        image_id: found
        for image_id, found in zip(ids, measured, strict=True)
        if isinstance(found, str)
    }
    some = list(bad.items())[:LISTED]
    named = "; ".join(f"{name} ({reason})" for name, reason in some)
    named += f"; and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    if bad and unreadable == "error":
        raise InputError(
            f"{root}: {len(bad)} of {len(ids)} images cannot be read: {named}. "
            "Replace or remove them, or set unreadable: skip."
        )
    index = listing[~listing["image_id"].isin(bad)].reset_index(drop=True)
    if lost := sorted(
        set(listing["class"][trained(listing)]) - set(index["class"][trained(index)])
    ):
        raise InputError(
            f"{root}: class {lost[0]!r} has no training image that can be read: {named}. "
            "Replace them, or remove the class."
        )
    sizes = [found for found in measured if not isinstance(found, str)]
    index["width"] = np.array([width for width, *_ in sizes], dtype=np.int64)
    index["height"] = np.array([height for _, height, *_ in sizes], dtype=np.int64)
    index["digest"] = [digest for _, _, digest, _ in sizes]
    for line in noted(zip(index["image_id"], [notes for *_, notes in sizes], strict=True)):
        print(f"warning: {root}: {line}")
    return index[list(INDEX_COLUMNS)], list(bad)


def check_unchanged(root: Path, index: pd.DataFrame, workers: int) -> None:
    """See that images are those that were indexed; one that cannot be read is passed over.

    Raises:
        InputError: the bytes of images are others.
    """

    def changed(row: tuple[str, str]) -> bool:
        image_id, then = row
        try:
            return digest(contents(root / image_id)) != then
        except InputError:
            return False

    rows = list(zip(index["image_id"], index["digest"], strict=True))
    new = ordered_map(changed, rows, workers, "digests")
    if found := [image_id for (image_id, _), other in zip(rows, new, strict=True) if other]:
        raise InputError(
            f"{root}: {some(found)} of {len(rows)} have changed since they were indexed. "
            "Index again, then run the same command again."
        )


def check_ids(path: str | os.PathLike[str], image_ids: Iterable[str]) -> None:
    """Raise InputError, naming the file `path`, if an image would lie outside the set's folder."""
    wrong = [image_id for image_id in image_ids if not _below(image_id)]
    if wrong:
        more = f" ({len(wrong)} such images)" if len(wrong) > 1 else ""
        raise InputError(
            f"{path}: image {wrong[0]!r} is no path below the data set's folder{more}. "
            "Correct it, or index again."
        )


def _below(image_id: str) -> bool:
    """Whether a path stays in the folder that it is relative to."""
    parts = PurePosixPath(image_id)
    return bool(parts.parts) and not (
        parts.is_absolute() or ".." in parts.parts or "\0" in image_id
    )


def check_unreadable(unreadable: str) -> None:
    """Raise InputError unless the setting is `error` or `skip`."""
    if unreadable not in ("error", "skip"):
        raise InputError(f"unreadable: {unreadable!r} is neither 'error' nor 'skip'.")


def check_classes(root: Path, index: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise InputError unless there are two classes and each has a training image."""
    trained = set(index.loc[index["split"] == "train", "class"])
    lacking = [name for name in names if name not in trained]
    if lacking:
        more = f" (and {len(lacking) - 1} more classes)" if len(lacking) > 1 else ""
        raise InputError(
            f"{root}: class {lacking[0]!r}{more} has no training image that can be read. "
            "Add training images to it, or remove the class."
        )
    if len(names) < 2:
        raise InputError(f"{root}: has {len(names)} class. Add images of a second class.")


def truth_table(
    index: pd.DataFrame, image_ids: Sequence[str], boxes: np.ndarray, where: Callable[[int], str]
) -> pd.DataFrame:
    """Check boxes against their images and bring them into the order of the index.

    Args:
        index: table of images.
        image_ids: image of each box; boxes of images that are not in the index are left out.
        boxes: float64 (n, 4) x0, y0, x1, y1, original pixels. A box may reach over the edge of its
            image as far as `box_faults` allows, and is then clipped, with a warning from one pixel.
        where: gives the place of box i in its file, for messages.

    Raises:
        InputError: boxes are wrong, see `box_faults`; all of them in one message.
    """
    found = index.set_index("image_id")[["width", "height"]].reindex(list(image_ids))
    kept = np.flatnonzero(found["width"].notna())
    sizes, boxes = found.to_numpy(np.float64)[kept], np.asarray(boxes, np.float64)[kept]
    faults: dict[str, list[str]] = {}
    kinds = box_faults(boxes, sizes).tolist()
    for kind, row, box, size in zip(kinds, kept.tolist(), boxes, sizes, strict=True):
        if kind:
            corners = ", ".join(f"{value:g}" for value in box)
            place = f"box ({corners}) of {image_ids[row]}, {size[0]:g} x {size[1]:g} pixels"
            faults.setdefault(kind, []).append(f"{where(row)}: {place}")
    if faults:
        raise InputError(
            f"{listed(faults, len(kept))}. Correct or remove these rows (x0, y0, x1, y1 in pixels "
            "of the upright image)."
        )
    over = overreach(boxes, sizes)
    if (far := over >= 1).any():
        print(
            f"warning: {far.sum()} of {len(boxes)} true boxes reach over the edge of their image, "
            f"by up to {over.max():.0f} pixels, and are clipped; the first: "
            f"{where(int(kept[far.argmax()]))}"
        )
    clipped = np.clip(boxes, 0, np.hstack([sizes, sizes]))
    truth = pd.DataFrame(clipped, columns=list(TRUTH_COLUMNS[1:]))
    truth.insert(0, "image_id", [image_ids[i] for i in kept.tolist()])
    position = pd.Series(np.arange(len(index)), index=index["image_id"])
    order = np.argsort(position.reindex(truth["image_id"]).to_numpy(), kind="stable")
    return truth.iloc[order].reset_index(drop=True).astype({"image_id": str})


def read_index(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read index.csv: image_id, split, class, digest as str; width, height as int64.

    Raises:
        InputError: the file is missing, no index, or contradicts itself.
    """
    table = read_csv(path, INDEX_COLUMNS, {"width": int, "height": int})
    masks = {
        "the image is named twice": table["image_id"].duplicated(),
        "the split is neither train nor test": ~table["split"].isin(SPLITS),
        "the image has no class": table["class"] == "",
        "the image has no size": (table[["width", "height"]] < 1).any(axis=1),
    }
    places = {kind: 2 + np.flatnonzero(wrong) for kind, wrong in masks.items()}
    faults = {kind: [f"line {line}" for line in lines] for kind, lines in places.items()}
    faults = {kind: lines for kind, lines in faults.items() if lines}
    problem = listed(faults, len(table)) if faults else ""
    if not len(table):
        problem = "holds no image"
    elif not problem and not table["split"].is_monotonic_decreasing:
        problem = "has training images after test images"
    if problem:
        raise InputError(f"{path}: {problem}. Delete it and run `isic index` again.")
    check_ids(path, table["image_id"])
    return table


def read_truth(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read truth.csv: image_id as str; x0, y0, x1, y1 as float64 (original pixels).

    Raises:
        InputError: the file is missing, or is no truth.
    """
    return read_csv(path, TRUTH_COLUMNS, dict.fromkeys(TRUTH_COLUMNS[1:], float))
