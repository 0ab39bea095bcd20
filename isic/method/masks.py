"""Pseudo-masks from the maps M = F·θ2ᵀ of the training images (Sections 3.5, 3.6)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.localization.interpolation import upsample
from isic.localization.maps import contrast
from isic.method.projection import compressed, project
from isic.storage.hdf5 import new_hdf5, open_hdf5, strings
from isic.storage.layouts import MASKS

OBJECT, BACKGROUND, IGNORE = 1, 0, 255


def pseudo_mask(map_: np.ndarray, size: int, *, foreground: float, background: float) -> np.ndarray:
    """One map → one mask of three values.

    Above `foreground` is object, below `background` is background, and what lies between is left
    out of the segmenter's loss.

    Args:
        map_: (h, w) float, ≥ 0, see `isic.localization.maps.contrast`.
        size: side of the mask in pixels.
        foreground, background: thresholds in the map's unit, background ≤ foreground.

    Returns:
        (size, size) uint8 of 1 (object), 0 (background), 255 (left out). A map nowhere above
        `foreground` gives a mask that is left out everywhere: there is an object in the image, as
        its label says, and the map does not tell where.
    """
    full = upsample(map_[None], (size, size))[0]
    mask = np.full(full.shape, IGNORE, np.uint8)
    if (full > foreground).any():
        mask[full < background] = BACKGROUND
        mask[full > foreground] = OBJECT
    return mask


def write_masks(
    path: str | Path,
    features: h5py.File,
    directions: h5py.File,
    size: int,
    attributes: Mapping[str, Any],
    **thresholds: float,
) -> np.ndarray:
    """Write the masks of one shard, an image at a time: `mask` (n, R, R) uint8, `image_id`, and
    `object_share` (n,), the object's share of the mask.

    Stored without loss (gzip), a chunk an image.

    Args:
        features: the shard's feature maps, see `isic.method.features.write_features`.
        directions: `label` (C,), `direction` (C, N), and the attribute `compress`.
        size: R.
        thresholds: `foreground` and `background` of `pseudo_mask`.

    Returns:
        (n,) float, the object's share of each mask.
    """
    compress = float(directions.attrs["compress"])
    vectors = dict(zip(directions["label"][:].tolist(), directions["direction"][:], strict=True))
    labels = features["label"][:]
    if missing := set(labels.tolist()) - set(vectors):
        raise InputError(
            f"{directions.filename}: no direction of classes {sorted(missing)[:10]}: "
            "give the directions of the same shard as the features."
        )
    shares = np.zeros(len(labels))
    attributes = {**attributes, "axes": "image, y, x", "values": "0 background, 1 object, 255 out"}
    with new_hdf5(path, attributes) as file:
        file["image_id"] = features["image_id"][:]
        store = file.create_dataset(
            "mask",
            (len(labels), size, size),
            np.uint8,
            chunks=(1, size, size),
            compression="gzip",
            compression_opts=1,
        )
        for row, label in enumerate(labels.tolist()):
            image = compressed(features["features"][row], compress)
            map_ = contrast(project(image, vectors[label])[None], compress)[0]
            mask = pseudo_mask(map_, size, **thresholds)
            store[row] = mask
            shares[row] = (mask == OBJECT).mean()
        file["object_share"] = shares
    return shares


def read_masks(paths: Sequence[str | Path], image_ids: Iterable[str]) -> Encoded:
    """The masks of these images in their shards, in the order asked for: (n, R, R) uint8.

    They stay compressed in their files; `read_masks(…)[:]` is the array.

    Raises:
        InputError: an image has no mask.
    """
    place = {image_id: row for row, image_id in enumerate(image_ids)}
    found = np.zeros((3, len(place)), np.int64)  # number of the file, offset and size in it
    shape: tuple[int, ...] = ()
    for number, path in enumerate(paths):
        with open_hdf5(path, MASKS) as file:
            stored = file["mask"]
            shape = stored.shape[1:]
            if stored.chunks != (1, *shape) or stored.compression != "gzip":
                raise InputError(f"{path}: is not as `isic masks` writes it. Make it again.")
            chunks: dict[int, tuple[int, int]] = {}
            stored.id.chunk_iter(
                lambda c, chunks=chunks: chunks.__setitem__(
                    c.chunk_offset[0], (c.byte_offset, c.size)
                )
            )
            for row, image_id in enumerate(strings(file["image_id"])):
                if image_id in place:
                    found[:, place.pop(image_id)] = number, *chunks[row]
    if place:
        raise InputError(
            f"{len(place)} images have no mask, the first {next(iter(place))}: "
            "give --masks for each shard."
        )
    # What h5py would do one at a time, Encoded does in several threads.
    files = [Path(path) for path in paths]
    return Encoded(
        files, found[0], found[1], found[2], shape, lambda data: _inflated(data).reshape(shape)
    )


def nonempty(paths: Sequence[str | Path]) -> bool:
    """Whether a mask of these shards marks an object."""
    for path in paths:
        with open_hdf5(path, MASKS) as file:
            if file["object_share"][:].any():
                return True
    return False


def _inflated(data: bytes) -> np.ndarray:
    return np.frombuffer(zlib.decompress(data), np.uint8)
