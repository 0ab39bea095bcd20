"""What a network sees of an image: all of it at the side of its training, and its mirror image."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def whole(images: Tensor, side: int) -> Tensor:
    """Resize whole images to `side`² pixels, bilinearly, antialiased: (n, 3, R, R) → (n, 3, s, s).

    Not at their stored R²: the fused scales line up in another way at another size unless both are
    32·k + 1 (R/8, R/16 and R/32 are rounded up), and a network knows objects of its crops' size.
    """
    return functional.interpolate(images, (side, side), mode="bilinear", antialias=True)


def both_ways(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The mean of a function's maps (…, h, w) over images (n, 3, H, W) and their mirror images.

    Pretrained weights may look beside their positions' centres: those of TensorFlow's padding do,
    to one side (docs/results/alignment.md). In the mirror image it is the other.
    """
    return (function(images) + function(images.flip(3)).flip(-1)) / 2
