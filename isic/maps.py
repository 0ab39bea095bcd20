"""Localisation maps of images: CAM (Eq. 7), NMF (Section 3.5) and the segmenter's (3.6).

Each image is seen twice, at the side of the training's crops: whole, for boxes in its own pixels,
and as its centre crop, the view of the paper's test (Section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isic.models.fusion import FusionNetwork, PlainNetwork, class_activation_maps
from isic.training import infer, pick_device
from isic.views import whole

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
    """
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


def localisation_maps(
    network: torch.nn.Module,
    images: np.ndarray,
    function: MapFunction,
    *,
    side: int,
    view: str,
    relative: bool,
    precision: str = "float32",
) -> np.ndarray:
    """Maps of one view of each image: (n, h, w) float16 in [0, 1].

    Args:
        images: (n, R, R, 3) uint8.
        side: of the view in pixels.
        view: `full`, the whole image resized to the side, or `crop`, its centre as it is.
        relative: divide each map by its own maximum (CAM and NMF, whose scale means nothing); the
            segmenter's map is a probability and stays as it is.
    """
    network.to(pick_device(), memory_format=torch.channels_last)

    def seen(x: Tensor, rows: Tensor) -> Tensor:
        return function(whole(x, side) if view == "full" else x, rows)

    crop = side if view == "crop" else None
    batches = infer(images, seen, crop=crop, precision=precision)
    maps = np.concatenate(list(batches))
    if relative:
        peak = maps.max((1, 2), keepdims=True)
        maps = np.divide(maps, peak, out=np.zeros_like(maps), where=peak > 0)
    return maps.astype(np.float16)
