"""Pseudo-masks from the maps M = F·θ2ᵀ of the training images (Sections 3.5, 3.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from isic.artifacts import new_hdf5, open_hdf5, strings
from isic.errors import InputError
from isic.projection import compressed, project

OBJECT, BACKGROUND, LEFT_OUT = 1, 0, 255


def interpolation(source: int, target: int) -> np.ndarray:
    """The matrix of bilinear interpolation along one axis, pixel centres aligned: (target, source)
    float32, rows sum to 1."""
    centre = (np.arange(target) + 0.5) * source / target - 0.5
    centre = centre.clip(0, source - 1)
    low = np.floor(centre).astype(int)
    high = np.minimum(low + 1, source - 1)
    matrix = np.zeros((target, source), np.float32)
    rows = np.arange(target)
    np.add.at(matrix, (rows, low), 1 - (centre - low))
    np.add.at(matrix, (rows, high), centre - low)
    return matrix


def pseudo_mask(map_: np.ndarray, size: int, *, foreground: float, background: float) -> np.ndarray:
    """One map → one mask of three values.

    The map is divided by its own maximum; above `foreground` is object, below `background` is
    background, and what lies between is left out of the segmenter's loss.

    Args:
        map_: (h, w) float, ≥ 0.
        size: side of the mask in pixels.
        foreground, background: fractions of the maximum, background ≤ foreground.

    Returns:
        (size, size) uint8 of 1 (object), 0 (background), 255 (left out). A map that is zero
        everywhere gives a mask that is left out everywhere: it says nothing.
    """
    peak = map_.max()
    if peak <= 0:
        return np.full((size, size), LEFT_OUT, np.uint8)
    up, across = interpolation(map_.shape[0], size), interpolation(map_.shape[1], size)
    map_ = up @ (map_ / peak) @ across.T
    mask = np.full(map_.shape, LEFT_OUT, np.uint8)
    mask[map_ < background] = BACKGROUND
    mask[map_ > foreground] = OBJECT
    return mask


def write_masks(
    path: str | Path,
    features: h5py.File,
    directions: h5py.File,
    size: int,
    attributes: Mapping,
    **cuts: float,
) -> np.ndarray:
    """Write the masks of one shard, an image at a time: `mask` (n, R, R) uint8, `image_id`.

    Stored without loss (gzip), a chunk an image.

    Args:
        features: the shard's feature maps, see `isic.features.write_features`.
        directions: `label` (C,), `direction` (C, N), and the attribute `compress`.
        size: R.
        cuts: `foreground` and `background` of `pseudo_mask`.

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
            mask = pseudo_mask(project(image, vectors[label]), size, **cuts)
            store[row] = mask
            shares[row] = (mask == OBJECT).mean()
    return shares


def read_masks(paths: Sequence[str | Path], image_ids: Iterable[str]) -> np.ndarray:
    """The masks of these images from their shards: (n, R, R) uint8, in the order asked for.

    Raises:
        InputError: an image has no mask.
    """
    place = {image_id: row for row, image_id in enumerate(image_ids)}
    masks: np.ndarray | None = None
    for path in paths:
        with open_hdf5(path) as file:
            stored = file["mask"]
            if masks is None:
                masks = np.full((len(place), *stored.shape[1:]), LEFT_OUT, np.uint8)
            for row, image_id in enumerate(strings(file["image_id"])):
                if image_id in place:
                    masks[place.pop(image_id)] = stored[row]
    if masks is None or place:
        raise InputError(
            f"{len(place)} images have no mask, the first {next(iter(place))}: "
            "give --masks for each shard."
        )
    return masks
