"""Maps resized to the pixels of an image."""

from __future__ import annotations

import numpy as np

from isic.errors import InputError


def _stretch(maps: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Linear interpolation along an axis to `size`: first on first, last on last."""
    length = maps.shape[axis]
    source = np.linspace(0, length - 1, size)
    low = source.astype(int)
    share = np.expand_dims((source - low).astype(np.float32), tuple(range(1, maps.ndim - axis)))
    before = maps.take(low, axis)
    result = maps.take(np.minimum(low + 1, length - 1), axis)
    result -= before
    result *= share
    result += before
    return result


def upsample(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps (n, h, w) resized bilinearly to `size` = (H, W), float32 (n, H, W).

    Gives what torch's `interpolate(mode="bilinear", align_corners=True)` gives: the positions of a
    map are its image's pixels 0, 8, 16 …, see `isic.networks.fusion.Fusion`.

    Raises:
        InputError: a value is negative or not finite.
    """
    maps = np.asarray(maps, np.float32)
    bad = ~(np.isfinite(maps) & (maps >= 0)).all((1, 2))
    if bad.any():
        raise InputError(
            f"map {int(bad.argmax())} of {len(maps)} holds a negative, infinite or NaN value: "
            "the network that made it is broken, train it again"
        )
    # Not as matrix products: BLAS threads on such small ones wait for each other on busy machines.
    return _stretch(_stretch(maps, size[0], 1), size[1], 2)
