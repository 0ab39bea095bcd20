"""Pixels of more than eight bits a channel, brought to eight: the one rule."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFile

BITS = (8, 10, 12, 14, 16)  # of a camera's values
STRETCHED = "scaled from the image's own least and greatest"
UNPACKED = ("RGB", "RGBX", "RGBA", "LA")


def eight_bits(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Pixel values of any kind as uint8 of the same shape, and in words how they were scaled.

    Whole numbers from 0 to 65535 from the least of BITS that holds the largest, others from their
    own least and greatest. Nothing is said of 16 bits.

    Raises:
        ValueError: a value is not finite.
    """
    least, most = values.min(initial=0), values.max(initial=0)
    if values.dtype.kind in "iu" and least >= 0 and most < 2**16:
        bits = next(bits for bits in BITS if most < 2**bits)
        top = 2**bits - 1
        scaled = ((values.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
        return scaled, f"{bits} bits in 16, scaled from 0 to {top}" if bits < 16 else ""
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("pixels that are not finite")
    values = (values - values.min()) / max(np.ptp(values), np.finfo(float).tiny)
    return np.rint(values * 255).astype(np.uint8), STRETCHED


def all_bits(
    image: Image.Image, arguments: Any, again: Callable[[], ImageFile.ImageFile]
) -> tuple[Image.Image, str]:
    """An image of which Pillow keeps the upper eight of 16 bits, from as many bits as it has.

    Pillow has no colour of 16 bits. Where the values use all of them the upper eight are enough;
    of fewer, see BITS, little would be left.

    Args:
        image: loaded.
        arguments: of the decoder of its pixels, as they stood in `tile`.
        again: opens the file once more.

    Returns:
        The image, and in words how it was scaled, or nothing.
    """
    mode, *others = arguments if isinstance(arguments, tuple) else (arguments,)
    stem, _, order = str(mode).partition(";16")
    if order not in ("B", "L", "N") or stem not in UNPACKED:
        return image, ""
    upper = np.asarray(image)
    if upper[..., :3].max() >> 6:
        return image, ""
    with again() as lower:
        if stem == "LA":  # both bytes of both, as four channels
            mode = "RGBA"
        else:  # read as if the bytes were in the other order, Pillow keeps the lower eight
            little = order == "L" or (order == "N" and sys.byteorder == "little")
            mode = f"{stem};16{'B' if little else 'L'}"
        given = (mode, *others) if others else mode
        lower.tile = [tile._replace(args=given) for tile in lower.tile]
        pixels = np.asarray(lower).astype(np.uint16)
    if stem == "LA":
        values = (pixels[..., ::2] << 8 | pixels[..., 1::2])[..., [0, 0, 0, 1]]
    else:
        values = upper.astype(np.uint16) << 8 | pixels
    colour, note = eight_bits(values[..., :3])
    rest, _ = eight_bits(values[..., 3:])
    return Image.fromarray(np.concatenate([colour, rest], axis=2)), note
