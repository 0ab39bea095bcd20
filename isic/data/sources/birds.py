"""The generated data set `birds`: fine-grained classes of known similarity (sections 3.3, 3.4).

A class is a species. The species of one genus share their body to the last feather: proportions,
posture, plumage colours and pattern, wing, tail, legs. They differ in the head alone: crown, crest,
cheek, eye-stripe, throat, beak. So what tells classes apart is a small part of the object, and the
rest is common to similar classes: the case the ICFS loss (Eq. 1, Eq. 5) is made for. Genera
differ in the body. Pose, place, light and scene are drawn without a look at the class.

Looks and names depend on the numbers of genus and species alone, never on the seed. An image
depends on (seed, split, genus, species, number) and the size alone, so counts can grow and no
other image changes.
"""

from __future__ import annotations

import csv
import functools
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from isic.errors import InputError
from isic.storage.files import folder_beside

SPLITS = ("train", "test")
COLUMNS = ("split", "class", "file", "width", "height", "xmin", "ymin", "xmax", "ymax")
SUPERSAMPLING = 4
"""Shapes are drawn this many times larger, then averaged."""

IMAGES_PER_PROCESS = 100
"""Fewer do not repay the start of another process."""

Colour = tuple[int, int, int]

# ------------------------------------------------------------------------------------ classes


@dataclass(frozen=True)
class Body:
    """Proportions of a genus; lengths in units of the trunk's length, angles in degrees."""

    plump: float
    head: float  # radius
    neck: float
    tail: float
    spread: float  # angle between the outer tail feathers
    fork: float  # outer tail feathers longer (> 0) or shorter (< 0) than the middle one
    wing: float
    leg: float
    posture: float  # how steeply the trunk stands


@dataclass(frozen=True)
class Plumage:
    """Colours of a genus."""

    back: Colour
    belly: Colour
    wing: Colour
    tail: Colour
    mark: Colour
    legs: Colour


@dataclass(frozen=True)
class Head:
    """The marks of a species."""

    crown: Colour
    cheek: Colour
    stripe: Colour
    throat: Colour
    beak: Colour
    bill: str
    crest: float


@dataclass(frozen=True)
class Look:
    """All that a class fixes of an image."""

    name: str
    body: Body
    plumage: Plumage
    pattern: str
    wing_bars: int
    head: Head


BODIES = (
    Body(1.12, 0.225, 0.00, 0.42, 16, -0.15, 0.62, 0.16, 22),  # tit
    Body(0.96, 0.195, 0.03, 0.62, 20, -0.30, 0.66, 0.20, 18),  # magpie
    Body(1.26, 0.190, 0.10, 0.20, 40, -0.10, 0.55, 0.17, 14),  # quail
    Body(0.88, 0.195, 0.00, 0.44, 40, 0.40, 0.80, 0.09, 20),  # swallow
    Body(0.92, 0.185, 0.22, 0.24, 24, -0.10, 0.62, 0.26, 26),  # rail
    Body(0.86, 0.210, 0.05, 0.46, 14, -0.10, 0.66, 0.10, 52),  # woodpecker
    Body(1.10, 0.185, 0.10, 0.46, 44, -0.20, 0.72, 0.12, 16),  # dove
    Body(1.05, 0.250, 0.00, 0.22, 18, 0.00, 0.58, 0.09, 34),  # kingfisher
    Body(0.88, 0.190, 0.05, 0.56, 14, 0.10, 0.60, 0.22, 8),  # wagtail
    Body(1.00, 0.200, 0.04, 0.50, 26, 0.12, 0.66, 0.18, 36),  # thrush
)
PLUMAGES = (
    Plumage(
        (74, 108, 160), (226, 204, 160), (44, 64, 112), (40, 56, 98), (246, 240, 226), (70, 62, 66),
    ),
    Plumage(
        (30, 132, 128), (236, 158, 76), (22, 90, 98), (20, 78, 90), (16, 60, 66), (206, 80, 50),
    ),
    Plumage(
        (128, 146, 52), (240, 220, 96), (78, 94, 38), (70, 84, 36), (48, 58, 26), (120, 100, 70),
    ),
    Plumage(
        (50, 50, 60), (238, 236, 230), (34, 34, 44), (30, 30, 40), (250, 250, 246), (60, 50, 50),
    ),
    Plumage(
        (196, 110, 122), (246, 200, 194), (124, 76, 92), (112, 66, 84),
        (110, 50, 70), (150, 80, 80),
    ),
    Plumage(
        (160, 84, 40), (244, 222, 188), (108, 56, 32), (92, 46, 26), (70, 36, 24), (186, 130, 80),
    ),
    Plumage(
        (150, 152, 158), (216, 216, 218), (104, 108, 118), (92, 96, 106),
        (60, 62, 72), (206, 110, 96),
    ),
    Plumage(
        (104, 70, 144), (200, 174, 216), (70, 46, 106), (62, 40, 96), (238, 226, 246), (80, 70, 90),
    ),
    Plumage(
        (214, 168, 98), (248, 234, 204), (156, 112, 60), (140, 98, 52),
        (96, 64, 34), (214, 150, 70),
    ),
    Plumage(
        (206, 96, 34), (250, 194, 116), (98, 60, 46), (90, 52, 40), (120, 46, 20), (110, 80, 60),
    ),
)  # fmt: skip
PATTERNS = ("spots", "plain", "bars", "streaks", "scales")
COLOURS: dict[str, Colour] = {
    "rubri": (214, 26, 34),
    "auranti": (250, 128, 16),
    "flavi": (252, 218, 36),
    "viridi": (34, 164, 62),
    "cyani": (44, 206, 222),
    "caerulei": (30, 70, 220),
    "violacei": (146, 44, 196),
    "rosei": (252, 118, 194),
    "albi": (250, 250, 248),
    "nigri": (26, 22, 28),
}
BEAKS: tuple[Colour, ...] = ((246, 172, 32), (40, 38, 44), (222, 54, 40), (226, 220, 200))
BILLS = ("cone", "dagger", "hook", "sickle")
CHEEKS: tuple[Colour, ...] = ((248, 246, 240), (34, 30, 36), (250, 226, 150))
STEMS = (
    "Corv", "Silv", "Pratin", "Lunar", "Ember", "Montis", "Ripar", "Caval", "Dryol", "Auric",
    "Fontan", "Merul", "Noctil", "Ostrin", "Palustr", "Querul", "Sonor", "Turbin", "Umbr", "Viator",
)  # fmt: skip
ENDINGS = ("ula", "ornis", "ina", "opsis", "aria")
PARTS = ("ceps", "capilla", "vertex")
MAX_GENERA = len(STEMS) * len(ENDINGS)
MAX_SPECIES = len(COLOURS) * len(PARTS)


def look(genus_number: int, species_number: int) -> Look:
    """The look of a class, from the numbers of its genus and species (both from 0)."""
    g, s = genus_number, species_number
    plumage = PLUMAGES[(g + 3 * (g // 10)) % 10]
    crowns = _crowns(plumage)
    crown = crowns[s % len(crowns)]
    colours = list(COLOURS.values())
    cheek = next(c for c in CHEEKS[s % 3 :] + CHEEKS if _distance(c, COLOURS[crown]) > 110)
    throat = max(
        (colours[(s * 3 + g + k) % len(colours)] for k in range(4)),
        key=lambda c: min(_distance(c, o) for o in (COLOURS[crown], cheek, plumage.belly)),
    )
    stem, ending = STEMS[g % len(STEMS)], ENDINGS[(g + g // len(STEMS)) % len(ENDINGS)]
    return Look(
        name=f"{stem}{ending}_{crown}{PARTS[s // len(crowns)]}",
        body=BODIES[g % 10],
        plumage=plumage,
        pattern=PATTERNS[(g + g // 10) % len(PATTERNS)],
        wing_bars=(g + g // 10) % 3,
        head=Head(
            crown=COLOURS[crown],
            cheek=cheek,
            stripe=(26, 22, 26) if sum(cheek) > 300 else (250, 248, 240),
            throat=throat,
            beak=BEAKS[(s + s // 4 + g) % 4],
            bill=BILLS[(s + g) % 4],
            crest=(0.0, 0.9, 0.0, 0.5)[(s + g) % 4],
        ),
    )


def genus(class_name: str) -> str:
    """The genus in a class name of this data set: the part before the underscore."""
    return class_name.partition("_")[0]


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.linalg.norm(np.subtract(a, b)))


@functools.cache
def _crowns(plumage: Plumage) -> tuple[str, ...]:
    """Crown colours, each as far as can be from the plumage and from those before it."""
    taken: list[Colour] = [plumage.back, plumage.belly]
    names: list[str] = []
    while len(names) < len(COLOURS):
        left = [name for name in COLOURS if name not in names]
        names.append(max(left, key=lambda n: min(_distance(COLOURS[n], c) for c in taken)))
        taken.append(COLOURS[names[-1]])
    return tuple(names)


# ------------------------------------------------------------------------------------ drawing


def _curve(points: Iterable[Sequence[float]], steps: int = 8, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through points (n, d), as points (m, d)."""
    p = np.asarray(points, dtype=float)
    p = np.concatenate([p[-1:], p, p[:2]] if closed else [p[:1], p, p[-1:]])
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    q = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    q = q.reshape(-1, p.shape[1])
    return q if closed else np.concatenate([q, p[-2:-1]])


def _turn(points: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate points (…, 2) so that positive angles raise what points to the right."""
    a = np.deg2rad(degrees)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return points @ (matrix.astype(np.float32) if points.dtype == np.float32 else matrix)


def _cover(shape: tuple[int, int], polygons=(), discs=(), lines=()) -> np.ndarray:
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


def _mix(under: np.ndarray, over, alpha: np.ndarray) -> np.ndarray:
    """Blend colours `over` onto `under` (h, w, 3) with weights `alpha` (h, w)."""
    return under + (np.asarray(over, dtype=np.float32) - under) * alpha[..., None]


def _step(x: np.ndarray, width: float) -> np.ndarray:
    """Smooth step from 0 to 1 over `width` around 0."""
    t = np.clip(x / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, sigma, mode="constant", truncate=2.5)


def _noise(
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


def _relief(cover: np.ndarray, sigma: float, light: np.ndarray) -> np.ndarray:
    """Light in about −1..1 on a shape that bulges towards the viewer; `light` is a unit x, y."""
    height = np.sqrt(_blur(cover, sigma) + 0.02)
    dy, dx = np.gradient(height)
    return -np.clip((dx * light[0] + dy * light[1]) * sigma * 4.2, -1, 1)


def _plumage(u: np.ndarray, v: np.ndarray, plumage: Plumage, pattern: str) -> np.ndarray:
    """Plumage at trunk coordinates u, v: back, belly and pattern, float32 (h, w, 3)."""
    back, belly, mark = (
        np.array(c, np.float32) for c in (plumage.back, plumage.belly, plumage.mark)
    )
    below = _step(v - 0.02 + 0.10 * u, 0.16)
    colour = back + (belly - back) * below[..., None]
    if pattern == "spots":
        row = np.round(v / 0.10)
        x = u / 0.12 + 0.5 * (row % 2)
        amount = _step(0.30 - np.hypot(x - np.round(x), v / 0.10 - row), 0.2)
    elif pattern == "bars":
        amount = _step(np.sin(2 * np.pi * (u + 0.5 * v * v) / 0.105) - 0.25, 1.0)
    elif pattern == "streaks":
        amount = _step(
            np.sin(2 * np.pi * v / 0.085) * np.sin(2 * np.pi * (u / 0.34 + 3 * v)) - 0.2, 0.6
        )
    elif pattern == "scales":
        row = np.floor(u / 0.085)
        x = v / 0.11 + 0.5 * (row % 2)
        x = x - np.round(x)
        amount = _step(np.abs(np.hypot(x, u / 0.085 - row - 0.1) - 0.5) * -1 + 0.13, 0.2)
    else:
        amount = np.zeros_like(u)
    return _mix(colour, mark, 0.85 * amount)


# -------------------------------------------------------------------------------------- scene

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


def _shade(colour: Sequence[float], factor: float) -> Colour:
    r, g, b = (int(min(255, max(0, c * factor))) for c in colour)
    return r, g, b


_HALF_LEAF = _curve([(0, 0), (0.25, 0.17), (0.55, 0.2), (0.82, 0.1), (1, 0)], 4, closed=False)
LEAF_HALF = len(_HALF_LEAF)
LEAF = np.concatenate([_HALF_LEAF, _HALF_LEAF * (1, -1), [(-0.12, 0), (0.92, 0)]])
"""Outline of the upper half, of the lower half, and the midrib of a leaf one unit long."""


def _draw_leaf(draw: ImageDraw.ImageDraw, at, length: float, angle: float, colour: Colour) -> None:
    """A leaf from its stalk `at`: two halves of unlike light, and a midrib."""
    points = (at + _turn(LEAF * length, angle)).tolist()
    upper, lower, rib = points[:LEAF_HALF], points[LEAF_HALF:-2], points[-2:]
    for half, factor in ((upper, 1.12), (lower, 0.86)):
        draw.polygon([tuple(x) for x in half], fill=_shade(colour, factor))
    draw.line([tuple(x) for x in rib], fill=_shade(colour, 0.7), width=max(1, round(length / 18)))


def _draw_branch(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, path: np.ndarray, width: float, leaves: int
) -> None:
    """A tapering branch along `path` (n, 2), light above and dark below, with leaves."""
    colour = _shade(BARKS[rng.integers(len(BARKS))], rng.uniform(0.8, 1.25))
    line = _curve(path, 8, closed=False)
    taper = np.linspace(1, rng.uniform(0.4, 0.8), len(line))[:, None] * width / 2
    taper = taper * (1 + 0.12 * rng.standard_normal((len(line), 1)))
    normal = np.gradient(line, axis=0)[:, ::-1] * (-1, 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    normal *= np.where(normal[:, 1:] < 0, -1, 1)  # downwards
    for top, bottom, factor in ((-1, 1, 0.62), (-1, 0.45, 1.0), (-0.8, -0.2, 1.28)):
        outline = np.concatenate(
            [line + normal * taper * top, (line + normal * taper * bottom)[::-1]]
        )
        draw.polygon(outline.ravel().tolist(), fill=_shade(colour, factor))
    foliage = LEAVES[rng.integers(len(LEAVES))]
    for at in line[rng.integers(len(line), size=leaves)]:
        length = width * rng.uniform(1.5, 3.5)
        _draw_leaf(draw, at, length, rng.uniform(0, 360), _shade(foliage, rng.uniform(0.75, 1.25)))


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
        _draw_branch(draw, rng, path, unit * rng.uniform(0.008, 0.045), rng.poisson(4))
    if rng.random() < 0.45 * amount:  # grass
        colour, foot = LEAVES[rng.integers(len(LEAVES))], rng.uniform(0.3, 1.2) * w
        for _ in range(rng.integers(6, 26)):
            x, tall = foot + rng.normal(0, 0.3) * w, rng.uniform(0.15, 0.6) * h
            lean, broad = rng.normal(0, 0.3) * tall, unit * rng.uniform(0.004, 0.012)
            blade = [(x - broad, h), (x + lean * 0.35, h - tall * 0.6), (x + lean, h - tall)]
            blade += [(x + lean * 0.35 + 1.5 * broad, h - tall * 0.6), (x + broad, h)]
            draw.polygon(blade, fill=_shade(colour, rng.uniform(0.6, 1.35)))
    for _ in range(rng.poisson(7 * amount)):  # single leaves
        colour = _shade(LEAVES[rng.integers(len(LEAVES))], rng.uniform(0.7, 1.3))
        at, length = rng.uniform(0, 1, 2) * (w, h), unit * rng.uniform(0.03, 0.14)
        _draw_leaf(draw, at, length, rng.uniform(0, 360), colour)


def _distractor(rng: np.random.Generator, image: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Add a rounded stone, fruit or bud in the colours and patterns of any plumage."""
    h, w = image.shape[:2]
    radius = max(h, w) * rng.uniform(0.03, 0.085)
    centre = rng.uniform(0.05, 0.95, 2) * (w, h)
    a = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    ring = np.stack([np.cos(a) * rng.uniform(0.9, 1.7), np.sin(a)], 1) * rng.uniform(
        0.8, 1.1, (7, 1)
    )
    outline = _turn(_curve(ring), rng.uniform(0, 360)) * radius + centre
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, (w, h))
    plumage = PLUMAGES[rng.integers(len(PLUMAGES))]
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    if x1 - x0 < 4 or y1 - y0 < 4:
        return image
    cover = _cover((y1 - y0, x1 - x0), [outline - (x0, y0)])
    v, u = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    scale = 0.4 / radius
    colour = _plumage(
        (u - float(centre[0])) * scale, (v - float(centre[1])) * scale, plumage, pattern
    )
    colour *= (0.8 + 0.35 * _relief(cover, radius * 0.35, light))[..., None]
    image[y0:y1, x0:x1] = _mix(image[y0:y1, x0:x1], np.clip(colour, 0, 255), cover)
    return image


def scene(rng: np.random.Generator, width: int, height: int, light: np.ndarray) -> Image.Image:
    """A cluttered natural-like background (RGB); it knows nothing of any class."""
    shape, unit = (height, width), max(width, height)
    layers = []
    for index in rng.choice(len(SCENES), 2, replace=False):
        palette, (sy, sx), grain = SCENES[index]
        cell = unit * rng.uniform(0.15, 0.4)
        field = 0.5 + 0.19 * _noise(rng, shape, (cell * sy, cell * sx), 3)
        if grain > 0.5:
            field += 0.05 * grain * _noise(rng, shape, (unit / 40 * sy, unit / 40 * sx), 2)
        table = np.linspace(0, len(palette) - 1, 256)
        table = np.stack(
            [np.interp(table, range(len(palette)), c) for c in zip(*palette, strict=True)], -1
        )
        layers.append(table.astype(np.float32)[(field * 255).clip(0, 255).astype(np.uint8)])
    horizon = rng.uniform(-0.2, 1.2) + 0.05 * _noise(rng, shape, (unit / 3, unit / 3), 2)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    image = _mix(layers[0], layers[1], _step(rows - horizon, rng.uniform(0.04, 0.5)))
    blobs = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(blobs)
    for _ in range(rng.integers(4, 16)):  # out of focus
        source = (LEAVES, BARKS, [p.back for p in PLUMAGES], [p.belly for p in PLUMAGES])[
            rng.integers(4)
        ]
        colour = _shade(source[rng.integers(len(source))], rng.uniform(0.7, 1.3))
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


# --------------------------------------------------------------------------------------- bird


def _feather(base, angle: float, length: float, width: float) -> np.ndarray:
    """A tail or flight feather that points to the left of `base`, raised by `angle`."""
    half = np.array([(0, 0.3), (0.6, 0.55), (0.92, 0.5), (1, 0.15)]) * (-length, width)
    return base + _turn(np.concatenate([half, half[::-1] * (1, -1)]), -angle)


WING = (
    (0, 0.02), (0.06, -0.13), (0.33, -0.19), (0.7, -0.12), (1, 0), (0.78, 0.1), (0.5, 0.19),
    (0.2, 0.2), (0.04, 0.13),
)  # fmt: skip
BILL_SHAPES = {  # in units of the head's radius, from the base of the beak
    "cone": ((0, -0.38), (0.45, -0.22), (0.85, 0.08), (0.4, 0.26), (0, 0.36)),
    "dagger": ((0, -0.24), (0.8, -0.1), (1.65, 0.06), (0.8, 0.16), (0, 0.24)),
    "hook": ((0, -0.4), (0.5, -0.42), (0.95, -0.08), (0.88, 0.46), (0.6, 0.16), (0, 0.34)),
    "sickle": (
        (0, -0.26),
        (0.7, -0.2),
        (1.25, 0.14),
        (1.55, 0.62),
        (1.05, 0.3),
        (0.6, 0.1),
        (0, 0.2),
    ),
}


def _paint_bird(
    rng: np.random.Generator, look: Look, width: int, height: int, light: np.ndarray
) -> tuple[tuple[int, int, int, int], np.ndarray, np.ndarray, np.ndarray | None]:
    """Draw the bird of a class somewhere in a `width` × `height` image.

    Returns its window (x0, y0, x1, y1), colours float32 (h, w, 3) and coverage float32 (h, w) in
    that window, and the point (x, y) it stands on, or None in flight.
    """
    body, head = look.body, look.head
    flight = rng.random() < 0.07
    side = -1 if rng.random() < 0.5 else 1
    tilt = (0.4 if flight else 1.0) * body.posture + rng.uniform(-14, 18)
    nod = -0.75 * tilt + rng.uniform(-16, 18)
    droop = rng.uniform(-8, 10)
    reach = np.array([rng.uniform(-0.03, 0.05), rng.uniform(-0.05, 0.03)])

    # Trunk coordinates: the bird looks right, y downwards, the trunk is one unit long.
    r = body.head
    skull = np.array([0.43, -0.25]) + (0.25 * body.neck, -0.9 * body.neck) + reach
    p = body.plump
    spine = _curve(
        [
            (-0.52, 0.05, 0.07),
            (-0.34, 0.04, 0.16 * p),
            (-0.06, 0.03, 0.27 * p),
            (0.20, 0.01, 0.275 * p),
            (0.36 + 0.1 * body.neck, -0.13 - 0.45 * body.neck, 0.9 * r - 0.1 * body.neck),
            (*skull, r),
        ],
        10,
        closed=False,
    )
    rump = np.array([-0.46, 0.05])
    tail = []
    for k in (-1.0, 1.0, -0.5, 0.5, 0.0):
        angle, long = droop + k * body.spread / 2, body.tail * (1 + body.fork * abs(k))
        tail.append(_feather(rump, angle, long + 0.1, 0.13 if body.tail < 0.6 else 0.11))
    shoulder = np.array([0.24, -0.08])
    outline = _curve(WING) * (-1, 1)
    folds = ((-4 + rng.uniform(-4, 4), 1.0, 0.85),)
    if flight:
        lift = rng.uniform(40, 95)
        folds = ((-lift - rng.uniform(15, 35), 1.1, 1.25), (-lift, 1.25, 1.35))
    wings = [
        (shoulder, angle, np.array([body.wing * long + 0.22, 0.75 * broad]))
        for angle, long, broad in folds
    ]

    def head_frame(points: np.ndarray) -> np.ndarray:
        return skull + _turn(points * r, nod)

    bill = head_frame(np.array(BILL_SHAPES[head.bill]) + (0.82, 0.12))
    gape = head_frame(
        np.array([(0.82, 0.14), (0.82 + 0.6 * np.ptp(BILL_SHAPES[head.bill], 0)[0], 0.2)])
    )
    crest = head_frame(
        _curve(
            [
                (0.35, -0.8),
                (-0.1, -1.0),
                (-0.75, -1.0 - 0.5 * head.crest),
                (-1.2 - 0.2 * head.crest, -0.85 - 0.9 * head.crest),
                (-0.85, -0.45),
                (-0.5, 0.1),
                (0.3, 0.0),
            ]
        )
    )
    eye = head_frame(np.array([(0.32, -0.14)]))

    # To the image: turn, mirror, then fit to a drawn size and place.
    def posed(points: np.ndarray) -> np.ndarray:
        return _turn(points, tilt) * (side, 1)

    trunk = np.column_stack([posed(spine[:, :2]), spine[:, 2]])
    hips = posed(np.array([(-0.02, 0.2 * p), (0.08, 0.22 * p)]))
    stride = np.array([-0.05, 0.06]) * side
    legs = [
        np.array([hip, hip + (dx, 0.08 + body.leg)]) for hip, dx in zip(hips, stride, strict=True)
    ]
    quills = [posed(f) for f in tail]
    vanes = [posed(at + _turn(outline * size, angle)) for at, angle, size in wings]
    bill, gape, crest, eye = (posed(x) for x in (bill, gape, crest, eye))
    ends = [trunk[:, :2] - trunk[:, 2:], trunk[:, :2] + trunk[:, 2:], bill, *quills, *vanes]
    ends += [crest] * (head.crest > 0) + ([] if flight else legs)
    low, high = (f(np.concatenate(ends), axis=0) for f in (np.min, np.max))
    extent = high - low
    share = rng.uniform(0.50, 0.84)  # of the image's side, along the bird's longer extent
    scale = float(min(share * np.array([width, height]) / extent))
    room = np.array([width, height]) - extent * scale
    at = rng.beta(0.75, 0.75, 2) * room
    x0, y0 = np.maximum(np.floor(at).astype(int) - 3, 0)
    x1, y1 = np.minimum(np.ceil(at + extent * scale).astype(int) + 3, (width, height))
    shape = (int(y1 - y0), int(x1 - x0))
    offset = at - low * scale - (x0, y0)

    def placed(points: np.ndarray) -> np.ndarray:
        return points * scale + offset

    grid = np.stack(np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5), -1)
    uv = _turn((grid - offset) / scale * (side, 1), -tilt).astype(np.float32)
    u, v = uv[..., 0], uv[..., 1]
    hx, hy = np.moveaxis(_turn((uv - skull.astype(np.float32)) / r, -nod), -1, 0)

    colour = np.zeros((*shape, 3), np.float32)
    total = np.zeros(shape, np.float32)
    down = _noise(rng, shape, (scale * 0.035, scale * 0.035), 2) * 0.045 + 1  # feather texture
    thin = max(0.6, 0.014 * scale)

    def paint(cover: np.ndarray, over, bulge: float = 0.0) -> None:
        nonlocal colour, total
        over = np.broadcast_to(np.asarray(over, np.float32), colour.shape)
        if bulge:
            over = over * (0.86 + 0.42 * _relief(cover, max(0.8, bulge * scale), light))[..., None]
        colour = _mix(colour, over, cover)
        total = total + (1 - total) * cover

    def paint_wing(vane: np.ndarray, wing, near: bool) -> None:
        root, angle, size = wing
        a, b = np.moveaxis(_turn(uv - root.astype(np.float32), -angle), -1, 0)
        a, b = a / -float(size[0]), b / float(size[1])
        fill = np.broadcast_to(np.array(look.plumage.wing, np.float32), colour.shape)
        fill = _mix(fill, look.plumage.back, 0.75 * _step(0.30 - a + 0.3 * b, 0.14))
        for bar in range(look.wing_bars):
            fill = _mix(
                fill,
                look.plumage.mark,
                0.9 * _step(0.028 - np.abs(a - 0.34 - 0.16 * bar + 0.25 * b), 0.03),
            )
        row = np.floor(a / 0.075)
        scallop = np.abs(b / 0.1 + 0.5 * (row % 2) - np.round(b / 0.1 + 0.5 * (row % 2)))
        coverts = _step(np.abs(a / 0.075 - row - 0.55 - scallop) * -1 + 0.12, 0.2) * _step(
            0.34 - a, 0.08
        )
        primaries = _step(
            np.sin(2 * np.pi * (b * 2 / (1.25 - a.clip(0, 1))) / 0.19) - 0.62, 0.5
        ) * _step(a - 0.4, 0.1)
        fill = fill * (1 - 0.3 * np.maximum(coverts, primaries))[..., None]
        paint(_cover(shape, [vane]), fill * (down if near else 0.72 * down)[..., None], 0.05)

    if flight:
        paint_wing(placed(vanes[0]), wings[0], near=False)
    else:
        limbs = [(placed(leg), max(1.1, 0.03 * scale)) for leg in legs]
        for leg in legs:
            toes = leg[1] + np.array([(-0.07, 0.012), (0, -0.012), (0.09, 0.012)]) * (side, 1)
            limbs.append((placed(toes), max(1.0, 0.024 * scale)))
        paint(_cover(shape, lines=limbs), look.plumage.legs)
    for pair in (quills[:2], quills[2:4], quills[4:]):
        feathers = [placed(quill) for quill in pair]
        paint(
            _cover(shape, feathers), np.array(look.plumage.tail, np.float32) * down[..., None], 0.02
        )
        rims = _cover(shape, lines=[(np.concatenate([f, f[:1]]), thin) for f in feathers])
        colour = _mix(colour, _shade(look.plumage.tail, 0.6), 0.55 * rims * (total > 0.5))

    centres = np.column_stack([placed(trunk[:, :2]), trunk[:, 2] * scale])
    if head.crest:
        paint(
            _cover(shape, [placed(crest)]), np.array(head.crown, np.float32) * down[..., None], 0.03
        )
    fill = _plumage(u, v, look.plumage, look.pattern)
    ragged = 0.05 * (down - 1) / 0.045
    cap = _step(1.08 + ragged - np.hypot(hx + 0.1, (hy - 0.12) * 0.9), 0.14)  # the head's own part
    fill = _mix(fill, head.cheek, cap)
    bib = _step(hy - 0.30 - 0.25 * hx + ragged, 0.12) * _step(
        1.5 - np.hypot(hx - 0.35, hy - 0.5), 0.14
    )
    fill = _mix(fill, head.throat, bib * _step(hx + 0.55, 0.2))
    fill = _mix(fill, head.crown, cap * _step(-0.28 - 0.22 * hx - hy + ragged, 0.1))
    band = np.abs(hy + 0.12 - 0.06 * hx) - 0.17
    fill = _mix(fill, head.stripe, cap * _step(-band, 0.1))
    paint(_cover(shape, discs=centres), np.clip(fill * down[..., None], 0, 255), 0.13)
    paint_wing(placed(vanes[-1]), wings[-1], near=True)
    paint(_cover(shape, [placed(bill)]), head.beak, 0.04)
    line = _cover(shape, lines=[(placed(gape), thin)])
    colour = _mix(colour, _shade(head.beak, 0.45), 0.7 * line * (total > 0.5))
    (ex, ey), er = placed(eye)[0], r * scale
    for radius, tone, shift in (
        (0.25, (250, 246, 236), 0),
        (0.2, (16, 12, 14), 0),
        (0.07, (255, 255, 255), 0.07),
    ):
        disc = (ex + shift * er * light[0], ey + shift * er * light[1], max(0.45, radius * er))
        colour = _mix(colour, tone, _cover(shape, discs=[disc]))
    feet = None if flight else placed(np.mean([leg[1] for leg in legs], axis=0)) + (x0, y0)
    return (int(x0), int(y0), int(x1), int(y1)), np.clip(colour, 0, 255), total, feet


def render(
    sequence: np.random.SeedSequence, look: Look, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image of a class.

    Returns the image uint8 (h, w, 3), RGB, whose longer side is `size` pixels, and the mask bool
    (h, w) of what is visible of the bird.
    """
    frame, backdrop, bird, front = (np.random.default_rng(s) for s in sequence.spawn(4))
    shorter = round(size / frame.uniform(1.0, 1.5))
    width, height = (size, shorter) if frame.random() < 0.7 else (shorter, size)
    slant = frame.uniform(-0.9, 0.9)
    light = np.array([np.sin(slant), -np.cos(slant)], np.float32)
    brightness, contrast, warmth = frame.uniform((0.8, 0.85, -0.06), (1.15, 1.1, 0.06)).tolist()

    canvas = scene(backdrop, width, height, light)
    window, colour, cover, feet = _paint_bird(bird, look, width, height, light)
    if feet is not None and front.random() < 0.75:  # a perch
        way = np.array([size * front.uniform(0.4, 1.2), size * front.normal(0, 0.08)])
        broad = size * front.uniform(0.02, 0.045)
        path = (
            feet + np.linspace(-0.5, 0.5, 5)[:, None] * way + front.normal(0, 0.012, (5, 2)) * size
        )
        path[2] = feet + (0, broad * 0.42)
        _draw_branch(ImageDraw.Draw(canvas), front, path * 3, broad * 3, front.poisson(3))
    image = np.asarray(canvas.reduce(3), np.float32)
    x0, y0, x1, y1 = window
    alpha = np.zeros((height, width), np.float32)
    alpha[y0:y1, x0:x1] = cover
    image[y0:y1, x0:x1] = _mix(image[y0:y1, x0:x1], colour, cover)

    if front.random() < 0.3:  # a twig or a leaf before the bird
        veil = Image.new("RGBA", (width * 3, height * 3))
        draw = ImageDraw.Draw(veil)
        aim = (front.uniform(x0, x1), front.uniform(y0, y1))
        if front.random() < 0.6:
            way = size * front.uniform(0.25, 0.6) * _turn(np.array([1.0, 0]), front.uniform(0, 360))
            path = (
                aim
                + np.linspace(-0.5, 0.5, 4)[:, None] * way
                + front.normal(0, 0.01, (4, 2)) * size
            )
            _draw_branch(
                draw, front, path * 3, size * front.uniform(0.01, 0.022) * 3, front.poisson(3)
            )
        else:
            tint = _shade(LEAVES[front.integers(len(LEAVES))], front.uniform(0.8, 1.3))
            _draw_leaf(
                draw,
                np.array(aim) * 3,
                size * front.uniform(0.1, 0.22) * 3,
                front.uniform(0, 360),
                tint,
            )
        veil = np.asarray(veil.reduce(3), np.float32)
        image = _mix(image, veil[..., :3], veil[..., 3] / 255)
        alpha *= 1 - veil[..., 3] / 255

    image = (image - 128) * contrast + 128
    image *= brightness * (1 + np.array([warmth, 0, -warmth], np.float32))
    image += 2 * frame.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8), alpha >= 0.5


# ---------------------------------------------------------------------------------- data set


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; put it in its place when the block ends well."""
    with folder_beside(folder) as part:
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def _write_image(folder: Path, size: int, seed: int, job: tuple[int, int, int, int]) -> tuple:
    """Write image and mask number `job` = (split, genus, species, number); return its row."""
    split, g, s, number = job
    its = look(g, s)
    image, mask = render(np.random.SeedSequence([seed, *job]), its, size)
    name = f"{number:04d}"
    place = Path(SPLITS[split]) / its.name
    Image.fromarray(image).save(folder / place / f"{name}.jpg", quality=92, subsampling=0)
    Image.fromarray(mask).convert("L").save(folder / "masks" / place / f"{name}.png")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return SPLITS[split], its.name, f"{name}.jpg", width, height, *box


def generate(
    folder: Path,
    *,
    genera: int,
    species: int,
    train_images: int,
    test_images: int,
    size: int,
    seed: int,
) -> None:
    """Write the data set into `folder`, replacing what is there, whole or not at all.

    The folder gets train/CLASS/NNNN.jpg, test/CLASS/NNNN.jpg, masks/SPLIT/CLASS/NNNN.png (0 or 255:
    the visible part of the bird) and boxes.csv (columns `COLUMNS`; pixels, xmax and ymax
    exclusive; the tight box of the mask). The same arguments give the same bytes.

    Args:
        folder: where; its parent is made if need be.
        genera: groups of similar classes, 1 to `MAX_GENERA`.
        species: classes a genus, 1 to `MAX_SPECIES`.
        train_images: training images a class.
        test_images: test images a class.
        size: longer side of an image in pixels, 32 to 4096.
        seed: a non-negative integer.

    Raises:
        InputError: a setting is out of range.
    """
    for name, value, low, high in (
        ("genera", genera, 1, MAX_GENERA),
        ("species", species, 1, MAX_SPECIES),
        ("train_images", train_images, 1, 9999),
        ("test_images", test_images, 0, 9999),
        ("size", size, 32, 4096),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise InputError(f"birds: {name} is {value}; give a value from {low} to {high}.")
    folder = Path(folder)
    counts = (train_images, test_images)
    jobs = [
        (split, g, s, number)
        for split, g, s in product(range(len(SPLITS)), range(genera), range(species))
        for number in range(1, counts[split] + 1)
    ]
    with _new_folder(folder) as part:
        for split, g, s in product(SPLITS, range(genera), range(species)):
            for root in (part, part / "masks"):
                (root / split / look(g, s).name).mkdir(parents=True)
        write = functools.partial(_write_image, part, size, seed)
        processes = min(os.cpu_count() or 1, 8, len(jobs) // IMAGES_PER_PROCESS + 1)
        if processes == 1:
            rows = [write(job) for job in jobs]
        else:  # spawned: safe whatever the caller has imported
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                rows = pool.map(write, jobs, chunksize=16)
        rows.sort(key=lambda row: (SPLITS.index(row[0]), *row[1:3]))
        with (part / "boxes.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
