"""Backgrounds, and the branches and leaves in them; nothing here knows a class."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from isic.data.sources.birds.canvas import (
    Colour,
    coverage,
    curve,
    mix,
    noise,
    relief,
    shade,
    step,
    turn,
)
from isic.data.sources.birds.looks import PATTERNS, PLUMAGES, plumage_colours

SCENES = (  # dark to light colours, stretch (y, x) of the texture, grain
    (((24, 42, 20), (52, 84, 34), (104, 138, 58), (168, 184, 96)), (1.0, 1.0), 1.0),  # foliage
    (((44, 62, 26), (96, 122, 52), (160, 168, 84), (206, 196, 130)), (3.0, 0.5), 1.0),  # meadow
    (((30, 62, 82), (62, 108, 128), (120, 160, 170), (206, 222, 220)), (0.35, 2.5), 0.7),  # water
    (((120, 158, 200), (160, 190, 220), (204, 218, 230), (244, 244, 240)), (0.8, 1.8), 0.3),  # sky
    (((58, 54, 52), (104, 98, 92), (146, 138, 128), (198, 190, 178)), (0.8, 1.0), 1.4),  # rock
    (((130, 100, 66), (178, 146, 102), (208, 180, 134), (236, 216, 176)), (0.6, 1.5), 1.0),  # sand
    (((66, 34, 22), (138, 70, 32), (196, 118, 44), (230, 180, 92)), (1.0, 1.0), 1.0),  # autumn
    (((58, 50, 78), (122, 92, 120), (196, 140, 136), (240, 202, 168)), (0.5, 2.0), 0.4),  # dusk
    (((34, 28, 22), (74, 58, 42), (122, 98, 70), (168, 146, 110)), (2.5, 0.6), 1.2),  # bark
)
LEAVES: tuple[Colour, ...] = (
    (66, 112, 42), (104, 148, 56), (40, 78, 38), (150, 166, 72), (176, 112, 40), (188, 72, 40),
    (140, 124, 70),
)  # fmt: skip
BARKS: tuple[Colour, ...] = ((92, 70, 50), (120, 100, 80), (66, 50, 40), (142, 126, 108))

_HALF_LEAF = curve([(0, 0), (0.25, 0.17), (0.55, 0.2), (0.82, 0.1), (1, 0)], 4, closed=False)
LEAF_HALF = len(_HALF_LEAF)
LEAF = np.concatenate([_HALF_LEAF, _HALF_LEAF * (1, -1), [(-0.12, 0), (0.92, 0)]])
"""Outline of the upper half, of the lower half, and the midrib of a leaf one unit long."""


def draw_leaf(
    draw: ImageDraw.ImageDraw, at: np.ndarray, length: float, angle: float, colour: Colour
) -> None:
    """A leaf from its stalk `at`: two halves of unlike light, and a midrib."""
    points = (at + turn(LEAF * length, angle)).tolist()
    upper, lower, rib = points[:LEAF_HALF], points[LEAF_HALF:-2], points[-2:]
    for half, factor in ((upper, 1.12), (lower, 0.86)):
        draw.polygon([tuple(x) for x in half], fill=shade(colour, factor))
    draw.line([tuple(x) for x in rib], fill=shade(colour, 0.7), width=max(1, round(length / 18)))


def draw_branch(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, path: np.ndarray, width: float, leaves: int
) -> None:
    """A tapering branch along `path` (n, 2), light above and dark below, with leaves."""
    colour = shade(BARKS[rng.integers(len(BARKS))], rng.uniform(0.8, 1.25))
    line = curve(path, 8, closed=False)
    taper = np.linspace(1, rng.uniform(0.4, 0.8), len(line))[:, None] * width / 2
    taper = taper * (1 + 0.12 * rng.standard_normal((len(line), 1)))
    normal = np.gradient(line, axis=0)[:, ::-1] * (-1, 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    normal *= np.where(normal[:, 1:] < 0, -1, 1)  # downwards
    for top, bottom, factor in ((-1, 1, 0.62), (-1, 0.45, 1.0), (-0.8, -0.2, 1.28)):
        outline = np.concatenate(
            [line + normal * taper * top, (line + normal * taper * bottom)[::-1]]
        )
        draw.polygon(outline.ravel().tolist(), fill=shade(colour, factor))
    foliage = LEAVES[rng.integers(len(LEAVES))]
    for at in line[rng.integers(len(line), size=leaves)]:
        length = width * rng.uniform(1.5, 3.5)
        draw_leaf(draw, at, length, rng.uniform(0, 360), shade(foliage, rng.uniform(0.75, 1.25)))


def _clutter(rng: np.random.Generator, canvas: Image.Image, amount: float) -> None:
    """Draw branches, leaves and grass onto `canvas`."""
    draw = ImageDraw.Draw(canvas)
    w, h = canvas.size
    unit = max(w, h)
    for _ in range(rng.poisson(1.6 * amount)):
        start, way = rng.uniform(-0.1, 1.1, 2) * (w, h), rng.standard_normal(2)
        way *= unit * rng.uniform(0.5, 1.3) / np.linalg.norm(way)
        bend = rng.normal(0, 0.05, (5, 2)) * unit
        path = start + np.linspace(-0.5, 0.5, 5)[:, None] * way + bend
        draw_branch(draw, rng, path, unit * rng.uniform(0.008, 0.045), rng.poisson(4))
    if rng.random() < 0.45 * amount:  # grass
        colour, foot = LEAVES[rng.integers(len(LEAVES))], rng.uniform(0.3, 1.2) * w
        for _ in range(rng.integers(6, 26)):
            x, tall = foot + rng.normal(0, 0.3) * w, rng.uniform(0.15, 0.6) * h
            lean, broad = rng.normal(0, 0.3) * tall, unit * rng.uniform(0.004, 0.012)
            blade = [(x - broad, h), (x + lean * 0.35, h - tall * 0.6), (x + lean, h - tall)]
            blade += [(x + lean * 0.35 + 1.5 * broad, h - tall * 0.6), (x + broad, h)]
            draw.polygon(blade, fill=shade(colour, rng.uniform(0.6, 1.35)))
    for _ in range(rng.poisson(7 * amount)):  # single leaves
        colour = shade(LEAVES[rng.integers(len(LEAVES))], rng.uniform(0.7, 1.3))
        at, length = rng.uniform(0, 1, 2) * (w, h), unit * rng.uniform(0.03, 0.14)
        draw_leaf(draw, at, length, rng.uniform(0, 360), colour)


def _distractor(rng: np.random.Generator, image: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Add a rounded stone, fruit or bud in the colours and patterns of any plumage."""
    h, w = image.shape[:2]
    radius = max(h, w) * rng.uniform(0.03, 0.085)
    centre = rng.uniform(0.05, 0.95, 2) * (w, h)
    a = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    ring = np.stack([np.cos(a) * rng.uniform(0.9, 1.7), np.sin(a)], 1) * rng.uniform(
        0.8, 1.1, (7, 1)
    )
    outline = turn(curve(ring), rng.uniform(0, 360)) * radius + centre
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, (w, h))
    plumage = PLUMAGES[rng.integers(len(PLUMAGES))]
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    if x1 - x0 < 4 or y1 - y0 < 4:
        return image
    cover = coverage((y1 - y0, x1 - x0), [outline - (x0, y0)])
    v, u = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    scale = 0.4 / radius
    colour = plumage_colours(
        (u - float(centre[0])) * scale, (v - float(centre[1])) * scale, plumage, pattern
    )
    colour *= (0.8 + 0.35 * relief(cover, radius * 0.35, light))[..., None]
    image[y0:y1, x0:x1] = mix(image[y0:y1, x0:x1], np.clip(colour, 0, 255), cover)
    return image


def scene(rng: np.random.Generator, width: int, height: int, light: np.ndarray) -> Image.Image:
    """A cluttered natural-like background (RGB); it knows nothing of any class."""
    shape, unit = (height, width), max(width, height)
    layers = []
    for index in rng.choice(len(SCENES), 2, replace=False):
        palette, (sy, sx), grain = SCENES[index]
        cell = unit * rng.uniform(0.15, 0.4)
        field = 0.5 + 0.19 * noise(rng, shape, (cell * sy, cell * sx), 3)
        if grain > 0.5:
            field += 0.05 * grain * noise(rng, shape, (unit / 40 * sy, unit / 40 * sx), 2)
        table = np.linspace(0, len(palette) - 1, 256)
        table = np.stack(
            [np.interp(table, range(len(palette)), c) for c in zip(*palette, strict=True)], -1
        )
        layers.append(table.astype(np.float32)[(field * 255).clip(0, 255).astype(np.uint8)])
    horizon = rng.uniform(-0.2, 1.2) + 0.05 * noise(rng, shape, (unit / 3, unit / 3), 2)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    image = mix(layers[0], layers[1], step(rows - horizon, rng.uniform(0.04, 0.5)))
    blobs = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(blobs)
    for _ in range(rng.integers(4, 16)):  # out of focus
        source = (LEAVES, BARKS, [p.back for p in PLUMAGES], [p.belly for p in PLUMAGES])[
            rng.integers(4)
        ]
        colour = shade(source[rng.integers(len(source))], rng.uniform(0.7, 1.3))
        x, y, r = *(rng.uniform(0, 1, 2) * (width, height)), unit * rng.uniform(0.02, 0.09)
        draw.ellipse([x - r, y - r * rng.uniform(0.7, 1), x + r, y + r], fill=colour)
    _clutter(rng, blobs, 1.0)
    blobs = blobs.filter(ImageFilter.GaussianBlur(unit * rng.uniform(0.012, 0.03)))
    near = np.asarray(blobs, np.float32) + 0.12 * (image - image.mean())
    for _ in range(rng.integers(0, 3)):
        near = _distractor(rng, near, light)
    canvas = Image.fromarray(np.clip(near, 0, 255).astype(np.uint8))
    canvas = canvas.resize((width * 3, height * 3), Image.Resampling.NEAREST)
    _clutter(rng, canvas, 0.55)
    return canvas
