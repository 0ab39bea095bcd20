"""What several figures share: sizes, fonts, text, axes by inches, and how a figure is saved.

The font comes with matplotlib, but for letters that it lacks, and no version of a library stands in
a file: the same input, the same picture.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from isic.evaluation.figures.fonts import FAMILY, families, labels
from isic.storage.files import atomic

CELL, GAP = 1.8, 0.08  # inches: greatest side of a picture, and between pictures
TEXT: dict[str, Any] = {"family": FAMILY, "size": 10}
LINE, LETTER = 0.17, 0.075  # inches: height of a line of it, and width of a letter, generously
MARGIN = 0.15  # inches: around everything
LONGEST = 32  # letters of a class's name


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically; no version of a library stands in it."""
    with atomic(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the figure's lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((x / w, y / h, width / w, height / h))


def write_note(figure: Figure, text: str) -> None:
    """Write at the lower left of a figure."""
    w, h = figure.get_size_inches()
    figure.text(MARGIN / w, MARGIN / h, text, ha="left", va="bottom", **TEXT)


def wrapped(text: str, width: float) -> str:
    """Text in lines of a width in inches."""
    return textwrap.fill(text, int(width / LETTER))


def text_width(text: str, size: float) -> float:
    """Width of a line of text, inches."""
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family=families([text])))
    return path.get_extents().width / 72


def class_texts(names: Sequence[str]) -> list[str]:
    """Names of all classes as people write them; the number of one that no font here can write."""
    return [class_text(label) for label in labels(names).values()]


def class_text(name: str) -> str:
    """A class's name as people write it: `001.Black_footed_Albatross`, Black footed Albatross."""
    name = re.sub(r"^\d+\.(?=[^\W\d_])", "", name).replace("_", " ")
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}…"
    return name.replace("$", r"\$")  # a pair of dollars would begin a formula


def number_text(value: float, form: str = "z.2f") -> str:
    return f"{value:{form}}".replace("-", "−")
