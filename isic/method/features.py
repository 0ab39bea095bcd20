"""The fused feature maps F of the training images, in shards of classes (Sections 3.2, 3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from isic.data.encoded import Encoded
from isic.localization.views import both_ways, whole
from isic.networks.fusion import FusionNetwork
from isic.storage.hdf5 import new_hdf5
from isic.training.devices import pick_device, place
from isic.training.inference import infer


def fused_maps(
    network: FusionNetwork,
    images: np.ndarray | Encoded,
    side: int,
    mirrored: bool = False,
    precision: str = "float32",
) -> Iterator[np.ndarray]:
    """F of whole images, resized to `side`²: batches of (b, ~side/8, ~side/8, N) float16, ≥ 0.

    A value beyond float16's range becomes its largest, 65,504: a network whose batch-norm
    statistics have not settled has a few such places, and to cut them off moves no direction.

    Args:
        images: (n, R, R, 3) uint8.
        side: of the training's crops, pixels.
        mirrored: the mean over the image and its mirror.

    Raises:
        InputError: a value is not finite.
    """
    place(network, pick_device())

    def features(x: Tensor, _: Tensor) -> Tensor:
        x = whole(x, side)
        maps = both_ways(network.features, x) if mirrored else network.features(x)
        return maps.permute(0, 2, 3, 1)

    for batch in infer(images, features, precision=precision):
        yield np.minimum(batch, np.finfo(np.float16).max).astype(np.float16)


def write_features(
    path: str | Path,
    batches: Iterator[np.ndarray],
    image_ids: np.ndarray,
    labels: np.ndarray,
    attributes: Mapping[str, Any],
) -> list[str]:
    """Write one shard: `features` (n, h, w, N) float16 a chunk an image, `image_id`, `label`.

    Args:
        batches: arrays (b, h, w, N), n rows in all. Only one is in memory at a time.
        image_ids: (n,) str.
        labels: (n,) int64.

    Returns:
        The images whose maps are zero everywhere.
    """
    dead: list[str] = []
    with new_hdf5(path, {**attributes, "axes": "image, y, x, channel"}) as file:
        file["image_id"] = image_ids.astype(object)
        file["label"] = labels
        first = 0
        for batch in batches:
            if first == 0:
                shape = batch.shape[1:]
                store = file.create_dataset(
                    "features", (len(labels), *shape), np.float16, chunks=(1, *shape)
                )
            store[first : first + len(batch)] = batch
            dead += image_ids[first : first + len(batch)][~batch.any(axis=(1, 2, 3))].tolist()
            first += len(batch)
    return dead
