"""All images of a data set at one size (paper section 4.1: 256²), in one of two stores.

`pixels`: decoded once, one memory-mapped array. `jpeg`: encoded again, in shards that jobs write
side by side, for sets that fit neither into memory nor, decoded, onto the disk. `load_images` reads
both.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from isic.data.encoded import Encoded
from isic.data.image import ordered_map, read
from isic.errors import InputError
from isic.storage.hdf5 import check_layout, new_hdf5, open_hdf5, strings
from isic.storage.layouts import IMAGES, JOINED, JPEGS

BLOCK_BYTES = 32 * 2**20
QUALITY = 90  # of the store's JPEGs: 40 dB, 18 KB an image at 256² (docs/imagenet.md)


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
    is not kept; the filter is Pillow's bilinear, antialiased. Large JPEGs are decoded at a
    fraction, see `isic.data.image.decode_small`.

    Args:
        index: table of images.
        root: folder the image ids are relative to.
        output: path of the HDF5 file.
        resize: R, pixels.
        workers: threads; the bytes written do not depend on it.
        attributes: further attributes of the file, such as `isic.provenance.records.provenance`.

    Raises:
        InputError: an image cannot be read, or is not the one that was indexed.
    """
    block = max(1, BLOCK_BYTES // (3 * resize**2))
    buffer = np.empty((min(block, len(index)), resize, resize, 3), np.uint8)
    with new_hdf5(output, {"resize": resize, **(attributes or {})}) as file:
        file.create_dataset("image_id", data=list(index["image_id"]), dtype=h5py.string_dtype())
        images = file.create_dataset("images", (len(index), resize, resize, 3), np.uint8)
        images.attrs.update(axes="image, y, x, channel (RGB)", units="sRGB value, 0..255")
        start = filled = 0
        for pixels in _squares(index, root, resize, workers, np.asarray):
            buffer[filled] = pixels
            filled += 1
            if filled == len(buffer) or start + filled == len(index):
                images[start : start + filled] = buffer[:filled]
                start, filled = start + filled, 0


def pack_shard(
    index: pd.DataFrame,
    root: str | os.PathLike[str],
    output: str | os.PathLike[str],
    resize: int = 256,
    workers: int = 2,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Decode, turn upright, resize to a square and keep as JPEG, atomically: one shard.

    Data set `jpeg`: the files one behind the other, uint8; `offset` and `size`: int64 (n,), where
    each lies in this HDF5 file, in bytes; `image_id`: str (n,). Arguments and errors as in `pack`;
    the encoded images of the shard are held in memory.
    """
    files = list(_squares(index, root, resize, workers, _jpeg))
    sizes = np.array([len(file) for file in files], np.int64)
    with new_hdf5(output, {"resize": resize, **(attributes or {})}) as file:
        file.create_dataset("image_id", data=list(index["image_id"]), dtype=h5py.string_dtype())
        file["jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        file["size"] = sizes
        file["offset"] = file["jpeg"].id.get_offset() + np.cumsum(sizes) - sizes


def join_shards(
    shards: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write images~R.h5 of the `jpeg` store: where each image of the data set lies, in which shard.

    Data sets `image_id`: str (n,); `shard`: int32 (n,), `offset`, `size`: int64 (n,); attribute
    `shards`: the shards' paths, seen from this file. Arguments: the shards in order.
    """
    folder = Path(output).parent
    ids, numbers, offsets, sizes, resizes = [], [], [], [], []
    for number, path in enumerate(shards):
        with open_hdf5(path, JPEGS) as file:
            ids.append(strings(file["image_id"]))
            offsets.append(file["offset"][:])
            sizes.append(file["size"][:])
            numbers.append(np.full(len(sizes[-1]), number, np.int32))
            resizes.append(int(file.attrs["resize"]))
    if len(set(resizes)) != 1:
        raise InputError(f"{output}: its shards have images of several sizes, {set(resizes)}.")
    names = [os.path.relpath(path, folder) for path in shards]
    own = {"resize": resizes[0], "shards": json.dumps(names)}
    with new_hdf5(output, {**own, **(attributes or {})}) as file:
        file.create_dataset(
            "image_id", data=np.concatenate(ids).astype(object), dtype=h5py.string_dtype()
        )
        file["shard"] = np.concatenate(numbers)
        file["offset"] = np.concatenate(offsets)
        file["size"] = np.concatenate(sizes)


def _squares(
    index: pd.DataFrame,
    root: str | os.PathLike[str],
    resize: int,
    workers: int,
    kept: Callable[[Image.Image], Any],
) -> Iterator[Any]:
    """What is kept of each image of the index, in its order, resized to a square."""
    root = Path(root)
    if resize < 1:
        raise InputError(f"resize: {resize} is no number of pixels. Set it to 1 or more.")

    def square(row: tuple[str, str]) -> Any:
        image_id, digest = row
        try:
            decoded, found = read(root / image_id, resize)
        except InputError as error:
            raise InputError(
                f"{root / image_id}: cannot be read ({error}). Restore it, or index again."
            ) from error
        if found != digest:
            raise InputError(f"{root / image_id}: has changed since it was indexed. Index again.")
        return kept(decoded.image.resize((resize, resize), Image.Resampling.BILINEAR))

    rows = list(zip(index["image_id"], index["digest"], strict=True))
    return ordered_map(square, rows, workers, "images")


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return np.asarray(image)


def load_images(
    path: str | os.PathLike[str], index: pd.DataFrame, rows: slice | np.ndarray = slice(None)
) -> np.ndarray | Encoded:
    """The images of these rows of the index, uint8 (n, R, R, 3): memory-mapped, or encoded.

    Args:
        path: images~R.h5 with all images of the index, or with those of `rows` alone.
        index: table of images.
        rows: slice, or (len(index),) bool.

    Raises:
        InputError: the file, or a shard that it names, is missing, truncated or another program's;
            or its images are not those of the index, in its order.
    """
    wanted = index["image_id"].to_numpy(object)
    with open_hdf5(path) as file:
        check_layout(file, JOINED if "shard" in file else IMAGES)
        ids = strings(file["image_id"])
        if np.array_equal(ids, wanted[rows]):
            rows = slice(None)
        elif not np.array_equal(ids, wanted):
            raise InputError(
                f"{path}: its images are not those of the index. Delete it and make it again."
            )
        if "shard" in file:
            side = int(file.attrs["resize"])
            shards = [Path(path).parent / name for name in json.loads(file.attrs["shards"])]
            number, offset, size = (file[name][:][rows] for name in ("shard", "offset", "size"))
            return Encoded(shards, number, offset, size, (side, side, 3), _pixels)
        images = file["images"]
        offset = images.id.get_offset()
        if offset is None:
            raise InputError(f"{path}: its images are not packed. Run `isic images` again.")
        shape = images.shape
    return np.memmap(path, np.uint8, "c", offset, shape)[rows]  # "r" makes torch warn
