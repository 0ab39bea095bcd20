"""Figure 4c: which classes look alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from isic.evaluation.figures.drawing import (
    LINE,
    MARGIN,
    TEXT,
    axes_at,
    class_texts,
    number_text,
    text_width,
    wrapped,
    write_note,
)
from isic.evaluation.figures.fonts import families

MATRIX, STEP = (2.4, 16.0), 0.36  # inches: least and greatest side of the matrix, side of a cell
OUTLINED, SMALLEST = 8, 4.5  # points: cells from here are outlined; names are not written below
NUMBERED = 20  # classes up to which the values are written into the cells
BAR = 0.75, 0.2, 0.75  # inches: before, of, and after the colour bar


def similarity(matrix: np.ndarray, names: Sequence[str], gamma: float) -> Figure:
    """Figure 4c: the matrix S, classes that look alike beside each other.

    Classes stand in the order of their clustering, so that groups are squares on the diagonal.
    Pairs above γ are outlined, and names and values written, where the cells have room for it.

    Args:
        matrix: float (C, C), cosines -1 … 1, symmetric; C >= 1.
        names: of the classes, C.
        gamma: γ, above which two classes are similar.
    """
    count = len(matrix)
    order = _clustered(matrix)
    ordered, texts = matrix[np.ix_(order, order)], class_texts(names)
    labels = [texts[i] for i in order]
    similar = (ordered > gamma) & ~np.eye(count, dtype=bool)

    side = float(np.clip(count * STEP, *MATRIX))
    cell = 72 * side / count  # points
    size = min(TEXT["size"], 0.85 * cell)
    named, outlined = size >= SMALLEST, cell >= OUTLINED
    label = max(text_width(name, size) for name in labels) + 0.1 if named else 1.5 * LINE

    width = MARGIN + label + side + sum(BAR)
    note = wrapped(
        f"{similar.sum() // 2} of {count * (count - 1) // 2} pairs of classes are similar: "
        f"S > γ = {number_text(gamma, 'g')}{', outlined' if outlined and similar.any() else ''}. "
        "Classes are in the order of their clustering (average linkage).",
        width - 2 * MARGIN,
    )
    bottom = 2 * MARGIN + LINE * len(note.splitlines()) + label
    height = bottom + side + MARGIN
    figure = Figure((width, height), dpi=150, facecolor="white")
    write_note(figure, note)
    axes = axes_at(figure, MARGIN + label, bottom, side, side)
    shades = axes.imshow(ordered, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")

    if named:
        style = {"labels": labels, "family": families(labels), "size": size}
        axes.set_xticks(range(count), rotation=90, **style)
        axes.set_yticks(range(count), **style)
        axes.tick_params(length=0)
    else:
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel("class", **TEXT)
        axes.set_ylabel("class", **TEXT)
    if outlined:
        for row, column in np.argwhere(similar):
            place = (column - 0.46, row - 0.46)
            axes.add_patch(Rectangle(place, 0.92, 0.92, fill=False, linewidth=min(1.5, cell / 16)))
    if count <= NUMBERED:
        for (row, column), value in np.ndenumerate(ordered):
            colour = "white" if abs(value) > 0.6 else "black"
            style = TEXT | {"size": 7, "ha": "center", "va": "center", "color": colour}
            axes.text(column, row, number_text(value), **style)

    bar = axes_at(figure, MARGIN + label + side + BAR[0], bottom, BAR[1], side)
    figure.colorbar(shades, cax=bar, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.tick_params(labelsize=TEXT["size"], labelfontfamily=TEXT["family"])
    bar.set_ylabel("cosine", **TEXT)
    bar.axhline(gamma, color="black", linewidth=2)
    bar.text(-0.3, gamma, f"γ = {number_text(gamma, 'g')}", ha="right", va="center", **TEXT)
    return figure


def _clustered(matrix: np.ndarray) -> np.ndarray:
    """Order of the classes, int (C,), that puts those with a high S beside each other."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    distance = np.maximum(0, 1 - (matrix + matrix.T) / 2)
    condensed = squareform(distance, checks=False)  # the diagonal is 0 but for rounding
    return leaves_list(linkage(condensed, "average", optimal_ordering=True))
