"""The true masks of a data set's images, which serve for scoring alone: read, checked, packed.

A mask is uint8 (height, width) of the upright image: 0 background, 1 object, 255 not counted.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from isic.data.image import contents, opened, ordered_map
from isic.data.index import TRUTH_COLUMNS, truth_table
from isic.errors import InputError, listed, some
from isic.storage.hdf5 import new_hdf5, open_hdf5, strings
from isic.storage.layouts import TRUE_MASKS

BACKGROUND, OBJECT, NOT_COUNTED = 0, 1, 255
VALUES = (BACKGROUND, OBJECT, NOT_COUNTED)
FORM = "a PNG of the upright image's size: 0 background, 1 object, 255 not counted"


class TrueMasks(NamedTuple):
    """True masks, and the boxes around them."""

    png: dict[str, bytes]  # by image_id, in the order of the index: those that show an object
    boxes: pd.DataFrame  # image_id, x0, y0, x1, y1


NO_MASKS = TrueMasks(
    {},
    pd.DataFrame(columns=TRUTH_COLUMNS).astype(
        {"image_id": str, **dict.fromkeys(TRUTH_COLUMNS[1:], float)}
    ),
)


def collect_masks(
    place: Path,
    index: pd.DataFrame,
    read: Callable[[str], np.ndarray | None],
    workers: int,
    *,
    border: bool = True,
    remedy: str = f"Correct or remove these masks ({FORM}).",
) -> TrueMasks:
    """Read and check the masks of all images. Those without one are counted in a warning.

    Args:
        place: the folder of the masks, for messages.
        read: gives the mask of the image of an id, or None; raises InputError with the bare reason
            for one that cannot be read.
        workers: threads; the result does not depend on it.
        border: what is not counted is a band along the outline, and within the object's box.

    Raises:
        InputError: masks are wrong; all of them in one message.
    """

    def packed(row: tuple[str, int, int]) -> tuple[bytes, np.ndarray | None] | str | None:
        image_id, width, height = row
        try:
            mask = read(image_id)
        except InputError as error:
            return str(error)
        if mask is None:
            return None
        if mask.shape != (height, width):
            return "another size than its upright image"
        if not np.isin(mask, VALUES).all():
            return "pixels that are not 0, 1 or 255"
        image, file = Image.fromarray(mask), io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue() if (mask == OBJECT).any() else b"", mask_box(mask, border)

    rows = list(index[["image_id", "width", "height"]].itertuples(index=False, name=None))
    found = dict(
        zip(index["image_id"], ordered_map(packed, rows, workers, "true masks"), strict=True)
    )
    faults: dict[str, list[str]] = {}
    for image_id, one in found.items():
        if isinstance(one, str):
            faults.setdefault(one, []).append(image_id)
    if faults:
        raise InputError(f"{place}: {listed(faults, len(found), 'masks')}. {remedy}")
    masks = {image_id: one for image_id, one in found.items() if isinstance(one, tuple)}
    png = {image_id: one for image_id, (one, _) in masks.items() if one}
    boxes = {image_id: box for image_id, (_, box) in masks.items() if box is not None}
    if boxes and not png:
        raise InputError(f"{place}: no mask has a pixel of 1, which is the object's. {remedy}")
    if lacking := [image_id for image_id in found if image_id not in png]:
        print(
            f"warning: {place}: {some(lacking)} of {len(found)} have no true mask, or one without "
            "an object"
        )
    corners = np.reshape([*boxes.values()], (-1, 4))
    return TrueMasks(png, truth_table(index, list(boxes), corners, lambda _: str(place)))


def mask_box(mask: np.ndarray, border: bool = True) -> np.ndarray | None:
    """The box of a mask's object: float64 (4,) x0, y0, x1, y1, the last two exclusive; maybe none.

    Args:
        border: with what is not counted. Such bands along an outline are left open by annotators:
            tails and tips of ears often lie in them wholly.
    """
    shown = mask != BACKGROUND if border else mask == OBJECT
    columns, rows = (np.flatnonzero(shown.any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def read_png(path: Path) -> np.ndarray:
    """The values of a PNG of one channel: uint8 (height, width).

    Raises:
        InputError: it cannot be read, or is another; the message is the bare reason.
    """
    return decoded_mask(contents(path))


def decoded_mask(png: bytes) -> np.ndarray:
    """The same of a PNG's bytes."""
    try:
        with opened(io.BytesIO(png), ("PNG",)) as image:
            if image.mode in ("1", "L", "P"):
                return np.asarray(image).astype(np.uint8)
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise InputError("no PNG that can be read") from error
    raise InputError("no PNG of one channel and 8 bits")


def read_grey(path: Path) -> np.ndarray:
    """A PNG of any mode as grey values: uint8 (height, width). Errors as of `read_png`."""
    try:
        with opened(io.BytesIO(contents(path)), ("PNG",)) as image:
            return np.asarray(image.convert("L"))
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise InputError("no PNG that can be read") from error


def write_masks(
    masks: Mapping[str, bytes],
    path: str | os.PathLike[str],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write true_masks.h5: `png`, the files one behind the other; `size` in bytes, `image_id`."""
    with new_hdf5(path, attributes or {}) as file:
        file.create_dataset("image_id", data=list(masks), dtype=h5py.string_dtype())
        file["png"] = np.frombuffer(b"".join(masks.values()), np.uint8)
        file["size"] = np.array([len(png) for png in masks.values()], np.int64)


def read_masks(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """The masks of true_masks.h5 by image, as PNG; see `decoded_mask`.

    Raises:
        InputError: the file is missing, or another.
    """
    with open_hdf5(path, TRUE_MASKS) as file:
        ends = np.cumsum(file["size"][:])
        data = file["png"][:].tobytes()
        starts = ends - file["size"][:]
        parts = [data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return dict(zip(strings(file["image_id"]), parts, strict=True))
