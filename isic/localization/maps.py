"""Localisation maps of images: CAM (Eq. 7), NMF (Section 3.5) and the segmenter's (3.6).

Each image is seen twice, at the side of the training's crops: whole, for boxes in its own pixels,
and as its centre crop, the view of the paper's test (Section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.localization.views import both_ways, whole
from isic.networks.fusion import FusionNetwork, PlainNetwork, class_activation_maps
from isic.training.devices import pick_device, place
from isic.training.inference import infer

BACKGROUND, PEAK = 20, 99  # percentiles of a map
MapFunction = Callable[[Tensor, Tensor], Tensor]


def cam(network: FusionNetwork | PlainNetwork, labels: np.ndarray) -> MapFunction:
    """CAM of each image's class (Eq. 7), from the fused map or from the last stage.

    Args:
        labels: (n,) int64, the class whose map is wanted, image by image.
    """
    classes = torch.tensor(labels).to(pick_device())

    def maps(x: Tensor, rows: Tensor) -> Tensor:
        return class_activation_maps(network.features(x), network.head, classes[rows])

    return maps


def nmf(
    network: FusionNetwork, directions: np.ndarray, compress: float, labels: np.ndarray
) -> MapFunction:
    """M = F·θ2ᵀ with the direction of each image's class.

    Args:
        directions: (C, N) float, ≥ 0.
        compress: the exponent under which the directions were found.
        labels: (n,) int64.

    Raises:
        InputError: the network's maps have another number of channels.
    """
    if directions.shape[1] != network.head.in_channels:
        raise InputError(
            f"directions of {directions.shape[1]} channels do not fit a network of "
            f"{network.head.in_channels}: give those that were made with it."
        )
    chosen = torch.from_numpy(directions[labels]).float().to(pick_device())

    def maps(x: Tensor, rows: Tensor) -> Tensor:
        fused = network.features(x).float() ** compress
        return (fused * chosen[rows][:, :, None, None]).sum(dim=1)

    return maps


def segmenter(network: FusionNetwork) -> MapFunction:
    """The segmenter's sigmoid maps; no class is needed."""

    def maps(x: Tensor, _: Tensor) -> Tensor:
        return torch.sigmoid(network(x)[1][:, 0].float())

    return maps


def of_maximum(maps: np.ndarray) -> np.ndarray:
    """Each map (n, h, w) divided by its own maximum (Zhou et al., CVPR 2016); zeros stay zeros."""
    own = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, own, out=np.zeros_like(maps), where=own > 0)


def contrast(maps: np.ndarray, compress: float = 1.0) -> np.ndarray:
    """Maps of fused features between their own background, 0, and their own peak, 1.

    A threshold in this unit ends where the object ends, whether it is small or large
    (docs/results/units-and-thresholds.md). The fused features are a product of three scales, so
    the root of the degree 3 · compress is on the scale of one of them.

    Args:
        maps: (n, h, w) float, ≥ 0, linear in F^compress.

    Returns:
        (n, h, w) float32, ≥ 0 and little above 1; zeros where a map is the same everywhere.
    """
    roots = maps.astype(np.float32) ** np.float32(1 / (3 * compress))
    low, high = np.percentile(roots, (BACKGROUND, PEAK), axis=(1, 2), keepdims=True)
    span = (high - low).astype(np.float32)
    above = np.maximum(roots - low.astype(np.float32), 0)
    return np.divide(above, span, out=np.zeros_like(roots), where=span > 0)


def localisation_maps(
    network: torch.nn.Module,
    images: np.ndarray | Encoded,
    function: MapFunction,
    *,
    side: int,
    view: str,
    mirrored: bool = False,
    precision: str = "float32",
) -> np.ndarray:
    """Maps of one view of each image: (n, h, w) float32, ≥ 0.

    Args:
        images: (n, R, R, 3) uint8.
        side: of the view in pixels.
        view: `full`, the whole image resized to the side, or `crop`, its centre as it is.
        mirrored: the mean over the image and its mirror, see `isic.localization.views.both_ways`.
    """
    place(network, pick_device())

    def seen(x: Tensor, rows: Tensor) -> Tensor:
        x = whole(x, side) if view == "full" else x
        return both_ways(lambda x: function(x, rows), x) if mirrored else function(x, rows)

    crop = side if view == "crop" else None
    batches = infer(images, seen, crop=crop, precision=precision)
    return np.concatenate(list(batches))
