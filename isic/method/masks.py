"""Pseudo-masks from the maps M = F·θ2ᵀ of the training images (Sections 3.5, 3.6)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.localization.grabcut import grabcut
from isic.localization.interpolation import upsample
from isic.localization.maps import contrast
from isic.method.projection import compressed, project
from isic.process import cores
from isic.settings.sections import Masks
from isic.storage.hdf5 import new_hdf5, open_hdf5, strings
from isic.storage.layouts import MASKS

OBJECT, BACKGROUND, IGNORE = 1, 0, 255
BATCH = 64  # masks made at a time


def pseudo_mask(map_: np.ndarray, image: np.ndarray, settings: Masks) -> np.ndarray:
    """One map → one mask of three values.

    Above `foreground` is object, below `background` is background. What lies between is decided by
    the image's colours (GrabCut), or left out of the segmenter's loss.

    Args:
        map_: (h, w) float, ≥ 0, see `isic.localization.maps.contrast`.
        image: (R, R, 3) uint8.

    Returns:
        (R, R) uint8 of 1 (object), 0 (background), 255 (left out). A map nowhere above
        `foreground` gives a mask that is left out everywhere: there is an object in the image, as
        its label says, and the map does not tell where.
    """
    full = upsample(map_[None], image.shape[:2])[0]
    surely = full > settings.foreground
    if not surely.any():
        return np.full(full.shape, IGNORE, np.uint8)
    if settings.undecided == "grabcut":
        found = grabcut(image, full, above=settings.foreground, below=settings.background)
        return np.where(found, OBJECT, BACKGROUND).astype(np.uint8)
    return np.select([surely, full < settings.background], [OBJECT, BACKGROUND], IGNORE).astype(
        np.uint8
    )


def sureness(map_: np.ndarray, settings: Masks) -> float:
    """How sure a map is of its object: what is object surely, as a share of what may be, 0 … 1.

    The IoU of the object as either threshold shows it: what the confidence of
    `isic.localization.objects` is for an object.
    """
    return float((map_ > settings.foreground).sum() / max((map_ >= settings.background).sum(), 1))


def write_masks(
    path: str | Path,
    images: np.ndarray | Encoded,
    features: h5py.File,
    directions: h5py.File,
    settings: Masks,
    attributes: Mapping[str, Any],
) -> np.ndarray:
    """Write the masks of one shard: `mask` (n, R, R) uint8, `image_id`, `object_share` (n,), the
    object's share of the mask, and `sure` (n,), see `sureness`.

    Stored without loss (gzip), a chunk an image.

    Args:
        images: (n, R, R, 3) uint8, those of the shard.
        features: the shard's feature maps, see `isic.method.features.write_features`.
        directions: `label` (C,), `direction` (C, N), and the attribute `compress`.

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

    def made(row: int) -> tuple[np.ndarray, float]:
        own = compressed(features["features"][row], compress)
        map_ = contrast(project(own, vectors[labels[row]])[None], compress)[0]
        image = np.asarray(images[row : row + 1])[0]
        return pseudo_mask(map_, image, settings), sureness(map_, settings)

    size = images.shape[1]
    shares, sure = np.zeros(len(labels)), np.zeros(len(labels))
    attributes = {**attributes, "axes": "image, y, x", "values": "0 background, 1 object, 255 out"}
    with new_hdf5(path, attributes) as file, ThreadPoolExecutor(cores()) as pool:
        file["image_id"] = features["image_id"][:]
        store = file.create_dataset(
            "mask",
            (len(labels), size, size),
            np.uint8,
            chunks=(1, size, size),
            compression="gzip",
            compression_opts=1,
        )
        for first in range(0, len(labels), BATCH):
            rows = range(first, min(first + BATCH, len(labels)))
            for row, (mask, certainty) in zip(rows, pool.map(made, rows), strict=True):
                store[row] = mask
                shares[row], sure[row] = (mask == OBJECT).mean(), certainty
        file["object_share"], file["sure"] = shares, sure
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
