"""Figure 5: maps and boxes beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from isic.data.encoded import Encoded
from isic.data.index import classes, evaluated
from isic.errors import InputError
from isic.evaluation.figures.drawing import (
    CELL,
    GAP,
    LINE,
    MARGIN,
    TEXT,
    class_texts,
    wrapped,
    write_note,
)
from isic.evaluation.figures.fonts import families
from isic.localization.boxes import CORNERS, iou, read_boxes
from isic.localization.interpolation import upsample
from isic.storage.hdf5 import open_hdf5, strings
from isic.storage.layouts import MAPS

QUANTILES = (0.95, 0.75, 0.5, 0.35, 0.15, 0.05)  # two good images, two typical, two bad
TRUE, PREDICTED = "#00e676", "#ff1744"
HEAT, OPACITY = "plasma", 0.55
LEFT, TOP, LEGEND = 1.3, 0.4, 2.9  # inches: margins that hold text, and the legend's width


@dataclass(frozen=True)
class Run:
    """What a figure shows of a run: its maps of whole images and the boxes from them."""

    image_id: pd.Index  # (n,) of the maps
    maps: np.ndarray  # (n, h, w) float, >= 0
    relative: bool  # a map's scale means nothing: it is shown by its own maximum
    boxes: dict[str, np.ndarray]  # x0, y0, x1, y1 (original pixels), score; by image_id


def read_run(maps_file: Path, boxes_file: Path) -> Run:
    """Read `maps.h5` and `boxes.csv` of a run.

    Raises:
        InputError: a file is missing, or is not what `isic maps` and `isic boxes` write.
    """
    with open_hdf5(maps_file, MAPS) as file:
        image_id, maps = pd.Index(strings(file["image_id"])), file["full"][:]
        relative = bool(file.attrs["relative"])
    table = read_boxes(boxes_file).set_index("image_id")
    return Run(image_id, maps, relative, dict(zip(table.index, table.to_numpy(), strict=True)))


def choose(values: np.ndarray, rows: int) -> list[tuple[float, int]]:
    """Which images to show, by rule: those at `QUANTILES` of a value.

    Args:
        values: (n,) float, such as the overlap of each image's box; n >= 1.
        rows: how many; if not 6, spread over the same quantiles. Of few images, fewer.

    Returns:
        Pairs of a quantile, 0 … 1, and a place in `values`, the highest first.
    """
    knots = (np.arange(rows) + 0.5) * len(QUANTILES) / rows - 0.5
    quantiles = np.interp(knots, np.arange(len(QUANTILES)), QUANTILES)
    places = np.argsort(values, kind="stable")[np.rint(quantiles * (len(values) - 1)).astype(int)]
    chosen = dict(zip(places[::-1].tolist(), quantiles[::-1].tolist(), strict=True))
    return [(quantile, place) for place, quantile in reversed(chosen.items())]


def localization(
    index: pd.DataFrame,
    images: np.ndarray | Encoded,
    truth: pd.DataFrame,
    runs: Mapping[str, Run],
    rows: int = len(QUANTILES),
) -> Figure:
    """Figure 5: an image a row; the photograph, then each run's map over it, with the boxes.

    The images are those at fixed quantiles of the IoU of the last run's box, or of its score where
    no evaluated image has a true box: good, typical and bad results are all seen.

    Args:
        index, truth: the tables of the data set.
        images: uint8 (n, R, R, 3), row i for row i of the index; drawn in their original aspect.
        runs: by title, from left to right; at least one.
        rows: images to show, at least 1.

    Raises:
        InputError: a run has no map of an image.
    """
    known = index.iloc[evaluated(index)]["image_id"]
    boxes = truth[truth["image_id"].isin(known)]
    true = {name: group.to_numpy(float) for name, group in boxes.groupby("image_id")[CORNERS]}

    def merit(run: Run, image_id: str) -> float:
        box = run.boxes.get(image_id)
        if box is None:
            return 0.0
        return float(iou(box[:4], true[image_id]).max()) if true else float(box[4])

    measure = "IoU" if true else "score"
    *_, (last, judge) = runs.items()
    candidates = [image_id for image_id in known if image_id in true or not true]
    merits = np.array([merit(judge, image_id) for image_id in candidates])
    chosen = choose(merits, rows)
    shown = index.set_index("image_id", drop=False).loc[[candidates[i] for _, i in chosen]]
    shown["row"] = pd.Index(index["image_id"]).get_indexer(shown["image_id"])

    rule = (
        "Rows by rule, failures included: images at these quantiles of the "
        f"{measure} of the box of {last}."
    )
    texts = dict(zip(classes(index), class_texts(classes(index)), strict=True))
    figure, grid = _grid((shown["height"] / shown["width"]).to_numpy(), ["image", *runs], rule)
    image: Any  # a row of `shown`
    for image, (quantile, _), line in zip(shown.itertuples(), chosen, grid, strict=True):
        name = textwrap.fill(texts[str(shown.at[image.image_id, "class"])], 15)
        _label(figure, line[0], f"{100 * quantile:.0f} %\n{name}")
        photograph = images[image.row] / 255
        for axes, run in zip(line, (None, *runs.values()), strict=True):
            picture = photograph if run is None else _overlay(photograph, run, image.image_id)
            axes.imshow(picture, extent=(0, image.width, image.height, 0))
            for box in true.get(image.image_id, ()):
                _outline(axes, box, TRUE)
            if run is None:
                continue
            if image.image_id in run.boxes:
                _outline(axes, run.boxes[image.image_id][:4], PREDICTED)
                _badge(axes, f"{measure} {merit(run, image.image_id):.2f}")
            else:
                _badge(axes, "no box")

    marks = {"true box": TRUE} if true else {}
    marks["predicted box"] = PREDICTED
    figure.legend(
        handles=[Line2D([], [], color=colour, lw=2, label=what) for what, colour in marks.items()],
        loc="lower right",
        ncols=2,
        frameon=False,
        prop=TEXT,
    )
    return figure


def _grid(aspects: np.ndarray, titles: list[str], note: str) -> tuple[Figure, np.ndarray]:
    """A figure of axes (rows, columns) for pictures of these heights to their widths.

    `note` stands below them, with room for a legend beside it.
    """
    heights = CELL * np.minimum(1, aspects)
    n, columns = len(heights), len(titles)
    width = LEFT + columns * (CELL + GAP)
    note = wrapped(note, width - MARGIN - LEGEND)
    bottom = 2 * MARGIN + LINE * len(note.splitlines())
    height = TOP + heights.sum() + (n - 1) * GAP + bottom
    figure = Figure((width, height), dpi=120, facecolor="white")
    write_note(figure, note)
    grid = figure.subplots(
        *(n, columns),
        squeeze=False,
        gridspec_kw={
            "height_ratios": heights,
            "left": LEFT / width,
            "right": 1 - GAP / width,
            "top": 1 - TOP / height,
            "bottom": bottom / height,
            "wspace": GAP / CELL,
            "hspace": GAP / heights.mean(),
        },
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, **TEXT | {"size": 14})
    return figure, grid


def _overlay(photograph: np.ndarray, run: Run, image_id: str) -> np.ndarray:
    """The photograph (R, R, 3), 0 … 1, under the run's map, clear where that is 0."""
    place = run.image_id.get_indexer(pd.Index([image_id]))[0]
    if place < 0:
        raise InputError(f"no map of {image_id} in a run. Make it again with `isic maps`.")
    heat = upsample(run.maps[[place]], photograph.shape[:2])[0]
    if run.relative and heat.max() > 0:
        heat /= heat.max()
    opacity = OPACITY * np.sqrt(heat)[..., None]
    return (1 - opacity) * photograph + opacity * colormaps[HEAT](heat)[..., :3]


def _label(figure: Figure, axes: Axes, text: str) -> None:
    """Write left of a row."""
    place = axes.get_position()
    x = place.x0 - 0.1 / figure.get_figwidth()
    figure.text(
        x,
        (place.y0 + place.y1) / 2,
        text,
        ha="right",
        va="center",
        **TEXT | {"family": families([text])},
    )


def _outline(axes: Axes, box: np.ndarray, colour: str) -> None:
    x0, y0, x1, y1 = box
    for line, width in (("black", 3.5), (colour, 2.0)):  # a rim, to be seen on any ground
        style: dict[str, Any] = {"fill": False, "edgecolor": line, "linewidth": width}
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, clip_on=False, **style))


def _badge(axes: Axes, text: str) -> None:
    ground = {"facecolor": "black", "alpha": 0.65, "edgecolor": "none", "pad": 2.0}
    axes.text(0.03, 0.05, text, transform=axes.transAxes, color="white", bbox=ground, **TEXT)
