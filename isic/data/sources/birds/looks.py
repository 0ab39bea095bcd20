"""What a species looks like: of the numbers of genus and species alone, never of the seed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isic.data.sources.birds.canvas import Colour, mix, step


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


def plumage_colours(u: np.ndarray, v: np.ndarray, plumage: Plumage, pattern: str) -> np.ndarray:
    """Plumage at trunk coordinates u, v: back, belly and pattern, float32 (h, w, 3)."""
    back, belly, mark = (
        np.array(c, np.float32) for c in (plumage.back, plumage.belly, plumage.mark)
    )
    below = step(v - 0.02 + 0.10 * u, 0.16)
    colour = back + (belly - back) * below[..., None]
    if pattern == "spots":
        row = np.round(v / 0.10)
        x = u / 0.12 + 0.5 * (row % 2)
        amount = step(0.30 - np.hypot(x - np.round(x), v / 0.10 - row), 0.2)
    elif pattern == "bars":
        amount = step(np.sin(2 * np.pi * (u + 0.5 * v * v) / 0.105) - 0.25, 1.0)
    elif pattern == "streaks":
        amount = step(
            np.sin(2 * np.pi * v / 0.085) * np.sin(2 * np.pi * (u / 0.34 + 3 * v)) - 0.2, 0.6
        )
    elif pattern == "scales":
        row = np.floor(u / 0.085)
        x = v / 0.11 + 0.5 * (row % 2)
        x = x - np.round(x)
        amount = step(np.abs(np.hypot(x, u / 0.085 - row - 0.1) - 0.5) * -1 + 0.13, 0.2)
    else:
        amount = np.zeros_like(u)
    return mix(colour, mark, 0.85 * amount)
