"""All images of a data set, decoded once, as one memory-mapped array (paper section 4.1: 256²)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from isic.artifacts import new_hdf5, open_hdf5, strings
from isic.data.image import ordered_map, read
from isic.errors import InputError

BLOCK_BYTES = 32 * 2**20


def pack(
    index: pd.DataFrame,
    root: str | os.PathLike[str],
    output: str | os.PathLike[str],
    resize: int = 256,
    workers: int = 2,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Decode, turn upright, resize to a square and write images~R.h5, atomically.

    Data set `images`: uint8 (n, R, R, 3), RGB 0..255, axes image, y, x, channel, contiguous; row i
    is row i of the index. Data set `image_id`: str (n,). Memory does not grow with n. The aspect
    is not kept; the filter is Pillow's bilinear, antialiased.

    Args:
        index: table of images.
        root: folder the image ids are relative to.
        output: path of the HDF5 file.
        resize: R, pixels.
        workers: threads; the bytes written do not depend on it.
        attributes: further attributes of the file, such as `isic.artifacts.provenance`.

    Raises:
        InputError: an image cannot be read, or is not the one that was indexed.
    """
    root = Path(root)
    if resize < 1:
        raise InputError(f"resize: {resize} is no number of pixels. Set it to 1 or more.")

    def square(row: tuple[str, str]) -> np.ndarray:
        image_id, digest = row
        try:
            image, found = read(root / image_id)
        except InputError as error:
            raise InputError(
                f"{root / image_id}: cannot be read ({error}). Restore it, or index again."
            ) from error
        if found != digest:
            raise InputError(f"{root / image_id}: has changed since it was indexed. Index again.")
        return np.asarray(image.resize((resize, resize), Image.Resampling.BILINEAR))

    ids = list(index["image_id"])
    rows = list(zip(ids, index["digest"], strict=True))
    block = max(1, BLOCK_BYTES // (3 * resize**2))
    buffer = np.empty((min(block, len(rows)), resize, resize, 3), np.uint8)
    with new_hdf5(output, {"resize": resize, **(attributes or {})}) as file:
        file.create_dataset("image_id", data=ids, dtype=h5py.string_dtype())
        images = file.create_dataset("images", (len(rows), resize, resize, 3), np.uint8)
        images.attrs.update(axes="image, y, x, channel (RGB)", units="sRGB value, 0..255")
        start = filled = 0
        for pixels in ordered_map(square, rows, workers, "images"):
            buffer[filled] = pixels
            filled += 1
            if filled == len(buffer) or start + filled == len(rows):
                images[start : start + filled] = buffer[:filled]
                start, filled = start + filled, 0


def open_images(path: str | os.PathLike[str]) -> np.memmap:
    """Map the images of images~R.h5 into memory, copy-on-write: uint8 (n, R, R, 3).

    Raises:
        InputError: the file is missing, truncated, or not written by `pack`.
    """
    with open_hdf5(path) as file:
        images = file.get("images")
        offset = images.id.get_offset() if isinstance(images, h5py.Dataset) else None
        if offset is None or images.dtype != np.uint8 or images.ndim != 4:
            raise InputError(f"{path}: holds no packed images. Run `isic images` again.")
        shape = images.shape
    return np.memmap(path, np.uint8, "c", offset, shape)  # "r" makes torch warn


def load_images(path: str | os.PathLike[str], index: pd.DataFrame) -> np.memmap:
    """`open_images`, after a check that row i is row i of the index.

    Raises:
        InputError: as `open_images`; or the images are not those of the index, in its order.
    """
    images = open_images(path)
    with open_hdf5(path) as file:
        ids = strings(file["image_id"]) if "image_id" in file else np.empty(0, object)
    if not np.array_equal(ids, index["image_id"].to_numpy(object)):
        raise InputError(f"{path}: its images are not those of the index. Run `isic images` again.")
    return images
