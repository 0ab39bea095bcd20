"""The whole image as a network sees it: resized to the side that it was trained on."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def whole(images: Tensor, side: int) -> Tensor:
    """Resize whole images to `side`² pixels, bilinearly, antialiased: (n, 3, R, R) → (n, 3, s, s).

    Not at their stored R²: the fused scales line up in another way at another size unless both are
    32·k + 1 (R/8, R/16 and R/32 are rounded up), and a network knows objects of its crops' size.
    """
    return functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
