"""Where in an image the positions of a backbone's feature maps lie, and maps laid over the image.

Position i of a scale looks at pixel offset + stride · i. The offset follows from the padding.
Weights that were trained with another padding have learnt to look beside that place; maps that are
the mean over an image and its mirror undo it (docs/results/alignment.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isic.errors import InputError
from isic.networks.backbones import STRIDES, Backbone


def offsets(backbone: Backbone, side: int) -> list[float] | None:
    """The pixel that position 0 of f3, f4 and f5 looks at, or None for exactly corner on corner.

    Args:
        side: of the images that the network sees, in pixels.

    Returns:
        None where all are 0 and the side is 32·k + 1: each scale then reaches from the first pixel
        to the last, and corner on corner is its exact place.

    Raises:
        InputError: images of this side do not pass, or where its positions lie cannot be said.
    """
    was_training = backbone.training
    try:
        with torch.inference_mode():
            backbone.eval()(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"backbone: {backbone.name} takes no images of {side} pixels ({reason}). "
            "Set images.crop to a multiple of 32, or take another backbone."
        ) from error
    backbone.train(was_training)
    found = padding_offsets(backbone)
    exact = not any(found) and side % STRIDES[-1] == 1
    return None if exact else found


def padding_offsets(backbone: Backbone) -> list[float]:
    """The centre of the pixels that position 0 of f3, f4, f5 sees, by kernels and padding alone.

    Where branches that meet lie apart, as a mean of 2 × 2 pixels and a convolution of 3 × 3 do,
    it is the middle of them.

    Raises:
        InputError: it cannot be said.
    """
    side = 256
    at: dict[int, list[float]] = {1: [0.0]}  # stride → offset of each branch

    def note(module: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        before, after = (round(side / x.shape[-1]) for x in (inputs[0], output))
        if before < after <= STRIDES[-1] and before in at:
            kernel, padding = (
                value if isinstance(value, int) else value[-1]
                for value in (module.kernel_size, module.padding)
            )
            offset = float(np.mean(at[before])) + before * ((kernel - 1) / 2 - padding)
            at.setdefault(after, []).append(offset)

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [m.register_forward_hook(note) for m in backbone.modules() if isinstance(m, kinds)]
    was_training = backbone.training
    with torch.no_grad():
        backbone.eval()(torch.zeros(1, 3, side, side))
    backbone.train(was_training)
    for hook in hooks:
        hook.remove()
    if not set(STRIDES) <= set(at):
        raise InputError(
            f"backbone: where the positions of {backbone.name} lie cannot be said: it goes from "
            "stride to stride by other layers than convolutions and pooling. Take another backbone."
        )
    return [float(np.mean(at[stride])) for stride in STRIDES]


def laid(
    scale: Tensor, size: Sequence[int], image: Sequence[int], stride: int, offset: float
) -> Tensor:
    """A scale interpolated linearly to `size` positions, first and last on the image's corners.

    Args:
        scale: (n, C, h, w), position i at pixel offset + stride · i of either axis; beyond its
            first and last the value of these holds.
        size: (H', W') positions wanted.
        image: (H, W) of the image in pixels.
    """
    matrices = []
    for n, pixels, length in zip(size, image, scale.shape[-2:], strict=True):
        place = torch.arange(n, device=scale.device)
        pixel = place / place[-1:].clamp(min=1) * (pixels - 1)  # linspace would fix ONNX's sizes
        matrices.append(_hat((pixel - offset) / stride, length).to(scale))
    return matrices[0] @ (scale @ matrices[1].T)


def _hat(at: Tensor, length: int) -> Tensor:
    """Linear interpolation as a matrix: (n,) indices, any real number → (n, length)."""
    at = at.clamp(0, length - 1)
    return (1 - (at[:, None] - torch.arange(length, device=at.device)).abs()).clamp(min=0)
