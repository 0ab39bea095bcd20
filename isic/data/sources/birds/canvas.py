"""What images are drawn with: curves, covered pixels, noise, light; points are x, y in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw
from scipy import ndimage

SUPERSAMPLING = 4
"""Shapes are drawn this many times larger, then averaged."""

Colour = tuple[int, int, int]


def shade(colour: Sequence[float], factor: float) -> Colour:
    r, g, b = (int(min(255, max(0, c * factor))) for c in colour)
    return r, g, b


def curve(points: Iterable[Sequence[float]], steps: int = 8, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through points (n, d), as points (m, d)."""
    p = np.asarray(points, dtype=float)
    p = np.concatenate([p[-1:], p, p[:2]] if closed else [p[:1], p, p[-1:]])
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    q = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    q = q.reshape(-1, p.shape[1])
    return q if closed else np.concatenate([q, p[-2:-1]])


def turn(points: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate points (…, 2) so that positive angles raise what points to the right."""
    a = np.deg2rad(degrees)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return points @ (matrix.astype(np.float32) if points.dtype == np.float32 else matrix)


def coverage(
    shape: tuple[int, int],
    polygons: Iterable[np.ndarray] = (),
    discs: Iterable[Sequence[float]] = (),
    lines: Iterable[tuple[np.ndarray, float]] = (),
) -> np.ndarray:
    """Antialiased coverage in 0..1, float32 (h, w), of shapes in pixels.

    `polygons` are (n, 2); `discs` are rows x, y, radius; `lines` are (points (n, 2), width).
    """
    s = SUPERSAMPLING
    image = Image.new("L", (shape[1] * s, shape[0] * s))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        draw.polygon((polygon * s).ravel().tolist(), fill=255)
    for x, y, r in discs:
        draw.ellipse([(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s], fill=255)
    for points, width in lines:
        draw.line(
            (points * s).ravel().tolist(), fill=255, width=max(1, round(width * s)), joint="curve"
        )
    return np.asarray(image.reduce(s), dtype=np.float32) / 255


def mix(under: np.ndarray, over: ArrayLike, alpha: np.ndarray) -> np.ndarray:
    """Blend colours `over` onto `under` (h, w, 3) with weights `alpha` (h, w)."""
    return under + (np.asarray(over, dtype=np.float32) - under) * alpha[..., None]


def step(x: np.ndarray, width: float) -> np.ndarray:
    """Smooth step from 0 to 1 over `width` around 0."""
    t = np.clip(x / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, sigma, mode="constant", truncate=2.5)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float], octaves: int = 4
) -> np.ndarray:
    """Multi-octave value noise, float32 (h, w), mean 0, deviation about 1; `cell` in pixels."""
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        rows, columns = (
            max(2, round(n / c * 2**octave) + 1) for n, c in zip(shape, cell, strict=True)
        )
        grid = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
        total += np.asarray(grid.resize(shape[::-1], Image.Resampling.BICUBIC)) * 0.6**octave
    return total


def relief(cover: np.ndarray, sigma: float, light: np.ndarray) -> np.ndarray:
    """Light in about −1..1 on a shape that bulges towards the viewer; `light` is a unit x, y."""
    height = np.sqrt(_blur(cover, sigma) + 0.02)
    dy, dx = np.gradient(height)
    return -np.clip((dx * light[0] + dy * light[1]) * sigma * 4.2, -1, 1)
