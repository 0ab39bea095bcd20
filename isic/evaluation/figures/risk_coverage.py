"""Risk and coverage: what the confidence is worth. A figure of our own, not the paper's."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from isic.evaluation.figures.drawing import TEXT

FEWEST = 20  # images from which risk and coverage are drawn


def risk_coverage(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Share of misses among the most confident images, by the share of the images kept.

    Args:
        curves: by split, `coverage` and `risk`, see `trust.risk_coverage`. Drawn from twenty
            images on: with fewer, one miss more or less is all there is to see.
    """
    figure = Figure((5.6, 3.8), dpi=120, facecolor="white")
    axes = figure.add_axes((0.13, 0.14, 0.83, 0.8))
    for split, curve in curves.items():
        drawn = curve[curve["kept"] >= min(FEWEST, curve["kept"].max())]
        axes.plot(100 * drawn["coverage"], 100 * drawn["risk"], label=f"{split} images")
        axes.axhline(100 * curve["risk"].iloc[-1], color="0.75", linewidth=0.8, zorder=0)
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.set_xlabel("images kept, the most confident first (%)", **TEXT)
    axes.set_ylabel("of them with IoU ≤ 0.5 (%)", **TEXT)
    axes.legend(frameon=False, prop=TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
