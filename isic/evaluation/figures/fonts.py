"""Fonts that have the letters of names, in any script, and what is written where there is none.

Matplotlib's own font comes first: a picture whose names it can write is the same on each machine.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

FAMILY = "DejaVu Sans"
UNSEEN = ("Zs", "Zl", "Zp", "Cf", "Mn")  # categories that need no letter of their own
PLACEHOLDERS = ("lastresort", "blank", "tofu", "fallback")  # fonts with a box for every letter


@cache
def font_file(text: str) -> str | None:
    """A font file of this machine with all letters of `text`; None where there is none."""
    letters = {ord(c) for c in text if unicodedata.category(c) not in UNSEEN}
    own = font_manager.findfont(FAMILY)
    if letters <= _letters(own):
        return own
    return next((file for file in _others() if letters <= _letters(file)), None)


@cache
def font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Pillow's font of a size in pixels to draw `text` with, as well as it can be."""
    return ImageFont.truetype(font_file(text) or font_manager.findfont(FAMILY), size)


def families(texts: Iterable[str]) -> list[str]:
    """Matplotlib's families to write texts with: its own, then those that have what it lacks."""
    found = [FAMILY]
    for file in filter(None, map(font_file, texts)):
        name = FT2Font(file).family_name
        if name not in found:
            font_manager.fontManager.addfont(file)
            found.append(name)
    return found


def labels(names: Sequence[str]) -> dict[str, str]:
    """What to write for each class: its name, or, where no font has its letters, its number.

    Args:
        names: of all classes, in their order; they are counted from 1.
    """
    return {n: n if font_file(n) else f"class {number}" for number, n in enumerate(names, 1)}


def unwritten(names: Sequence[str]) -> list[str]:
    """A line for people if there are classes that no font of this machine can write."""
    numbers = [f"{label}: {name}" for name, label in labels(names).items() if label != name]
    if not numbers:
        return []
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return [
        f"no font here has the letters of {len(numbers)} classes; pictures have their number "
        f"instead ({', '.join(numbers[:3])}{more}). Install one, such as Noto Sans, and draw again"
    ]


@cache
def _letters(file: str) -> frozenset[int]:
    try:
        face = FT2Font(file)
        return frozenset(face.get_charmap()) if face.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):  # damaged, or of a kind that FreeType cannot read
        return frozenset()


@cache
def _others() -> list[str]:
    """The machine's font files, plain ones first."""

    def order(file: str) -> tuple[bool, bool, str]:
        name = Path(file).name.lower()
        return "serif" in name or "mono" in name, "regular" not in name, file

    files = font_manager.findSystemFonts()
    return sorted((f for f in files if not any(w in f.lower() for w in PLACEHOLDERS)), key=order)
