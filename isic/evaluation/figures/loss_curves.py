"""Figures 4d and 4e: the losses by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isic.evaluation.figures.drawing import LINE, MARGIN, TEXT, axes_at, wrapped, write_note
from isic.storage.tables import read_csv

CURVES = ("epoch", "ce", "intra")
WIDTH, HEIGHT, SCALE = 11.0, 3.8, 0.8  # inches: figure, a panel's height, and left of a panel
APART = 30  # one curve this many times as high as another: the scale is logarithmic


def read_curves(path: Path) -> pd.DataFrame:
    """Read a classifier's losses by epoch.

    Raises:
        InputError: the file is missing, or is not what `isic classifier` writes.
    """
    numbers = dict.fromkeys((*CURVES, "icfs"), float)
    return read_csv(path, list(CURVES), numbers, others=["icfs"])


def loss_curves(curves: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Figures 4d and 4e: cross-entropy and ICFS by epoch; a colour an arm.

    Where an arm was trained before any class was known to be similar (λ = 0 from random weights),
    ICFS is drawn within classes, which all arms have on one scale.

    Args:
        curves: by the arm's label, such as `λ = 1`: a table for each seed, with the columns epoch,
            ce, intra and, where similar classes were known, icfs; a row an epoch.
    """
    known = all("icfs" in table for tables in curves.values() for table in tables)
    words = []
    if any(len(tables) > 1 for tables in curves.values()):
        words.append("Thin lines: the seeds; thick: their mean.")
    words.append(
        "ICFS is Eq. 5, unweighted; at λ = 0 it is measured and not trained on."
        if known
        else "Within classes: the mean squared distance of two images of a class, as a share of "
        "that of any two images."
    )
    note = wrapped(" ".join(words), WIDTH - 2 * MARGIN)
    bottom = 3 * MARGIN + LINE * (len(note.splitlines()) + 2)
    figure = Figure((WIDTH, bottom + HEIGHT + MARGIN), dpi=120, facecolor="white")
    write_note(figure, note)
    side = (WIDTH - 2 * SCALE - MARGIN) / 2
    left = axes_at(figure, SCALE, bottom, side, HEIGHT)
    right = axes_at(figure, 2 * SCALE + side, bottom, side, HEIGHT)

    for number, (label, tables) in enumerate(curves.items()):
        colour = colormaps["tab10"](number % 10)
        _curve(left, tables, "ce", color=colour, label=label)
        _curve(right, tables, "icfs" if known else "intra", color=colour, label=label)
    icfs = "ICFS (Eq. 5)" if known else "distance within classes"
    for axes, title in ((left, "cross-entropy"), (right, icfs)):
        peaks = [np.nanmax(line.get_ydata()) for line in axes.lines]
        if max(peaks) > APART * min(peaks) > 0:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("epoch", **TEXT)
        axes.set_ylabel(title, **TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.tick_params(labelsize=TEXT["size"], labelfontfamily=TEXT["family"])
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, prop=TEXT, handlelength=3.5)
    return figure


def _curve(axes: Axes, tables: Sequence[pd.DataFrame], column: str, **style: Any) -> None:
    """The mean of the seeds' tables by epoch and, if there are several, each of them, thin."""
    if len(tables) > 1:
        for table in tables:
            thin = style | {"linewidth": 0.8, "alpha": 0.5, "label": None}
            axes.plot(table["epoch"], table[column], **thin)
    mean = pd.concat(tables).groupby("epoch")[column].mean()
    # The dots show a training of one epoch, too.
    axes.plot(mean.index, mean, linewidth=2.2, marker=".", **style)
