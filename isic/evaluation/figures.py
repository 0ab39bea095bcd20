"""The paper's figures, drawn from this run.

Figure 4c, which classes look alike; 4d and 4e, the losses by epoch; 5, maps and boxes beside each
other; 6, similar classes in pictures; and one of our own, risk and coverage. No pyplot and no
global state; the font comes with matplotlib: the same input, the same picture.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from isic.data.index import evaluated
from isic.errors import InputError
from isic.localization.boxes import CORNERS, iou, read_boxes
from isic.localization.interpolation import upsample
from isic.storage.files import atomic
from isic.storage.hdf5 import open_hdf5, strings
from isic.storage.layouts import MAPS
from isic.storage.tables import read_csv

QUANTILES = (0.95, 0.75, 0.5, 0.35, 0.15, 0.05)  # two good images, two typical, two bad
TRUE, PREDICTED = "#00e676", "#ff1744"
HEAT, OPACITY = "plasma", 0.55
CELL, GAP = 1.8, 0.08  # inches: greatest side of a picture, and between pictures
LEFT, TOP, LEGEND = 1.3, 0.4, 2.9  # inches: margins that hold text, and the legend's width
TEXT = {"family": "DejaVu Sans", "size": 10}
LINE, LETTER = 0.17, 0.075  # inches: height of a line of it, and width of a letter, generously
MARGIN = 0.15  # inches: around everything
LONGEST = 32  # letters of a class's name

MATRIX, STEP = (2.4, 16.0), 0.36  # inches: least and greatest side of Figure 4c, side of a cell
OUTLINED, SMALLEST = 8, 4.5  # points: cells from here are outlined; names are not written below
NUMBERED = 20  # classes up to which the values are written into the cells
BAR = 0.75, 0.2, 0.75  # inches: before, of, and after the colour bar

CURVES = ("epoch", "ce", "intra")
WIDTH, HEIGHT, SCALE = 11.0, 3.8, 0.8  # inches: figure, a panel's height, and left of a panel
APART = 30  # one curve this many times as high as another: the scale is logarithmic

FEWEST = 20  # images from which risk and coverage are drawn

GROUPS, NEIGHBOURS = 6, 4  # rows of Figure 6, and classes beside the first


@dataclass(frozen=True)
class Run:
    """What a figure shows of a run: its maps of whole images and the boxes from them."""

    image_id: pd.Index  # (n,) of the maps
    maps: np.ndarray  # (n, h, w) float, >= 0
    relative: bool  # a map's scale means nothing: it is shown by its own maximum
    boxes: dict[str, np.ndarray]  # x0, y0, x1, y1 (original pixels), score; by image_id


def read_run(folder: Path) -> Run:
    """Read `maps.h5` and `boxes.csv` of a run's folder.

    Raises:
        InputError: a file is missing, or is not what `isic maps` and `isic boxes` write.
    """
    path = folder / "maps.h5"
    with open_hdf5(path, MAPS) as file:
        image_id, maps = pd.Index(strings(file["image_id"])), file["full"][:]
        relative = bool(file.attrs["relative"])
    table = read_boxes(folder / "boxes.csv").set_index("image_id")
    return Run(image_id, maps, relative, dict(zip(table.index, table.to_numpy(), strict=True)))


def read_curves(path: Path) -> pd.DataFrame:
    """Read a classifier's losses by epoch.

    Raises:
        InputError: the file is missing, or is not what `isic classifier` writes.
    """
    numbers = dict.fromkeys((*CURVES, "icfs"), float)
    return read_csv(path, list(CURVES), numbers, others=["icfs"])


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically; no version of a library stands in it."""
    with atomic(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


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
    ordered, labels = matrix[np.ix_(order, order)], [_shown(names[i]) for i in order]
    similar = (ordered > gamma) & ~np.eye(count, dtype=bool)

    side = float(np.clip(count * STEP, *MATRIX))
    cell = 72 * side / count  # points
    size = min(TEXT["size"], 0.85 * cell)
    named, outlined = size >= SMALLEST, cell >= OUTLINED
    label = max(_width(name, size) for name in labels) + 0.1 if named else 1.5 * LINE

    width = MARGIN + label + side + sum(BAR)
    note = _wrapped(
        f"{similar.sum() // 2} of {count * (count - 1) // 2} pairs of classes are similar: "
        f"S > γ = {_number(gamma, 'g')}{', outlined' if outlined and similar.any() else ''}. "
        "Classes are in the order of their clustering (average linkage).",
        width - 2 * MARGIN,
    )
    bottom = 2 * MARGIN + LINE * len(note.splitlines()) + label
    height = bottom + side + MARGIN
    figure = Figure((width, height), dpi=150, facecolor="white")
    _note(figure, note)
    axes = _axes(figure, MARGIN + label, bottom, side, side)
    shades = axes.imshow(ordered, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")

    if named:
        style = {"labels": labels, "family": TEXT["family"], "size": size}
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
            axes.text(column, row, _number(value), **style)

    bar = _axes(figure, MARGIN + label + side + BAR[0], bottom, BAR[1], side)
    figure.colorbar(shades, cax=bar, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.tick_params(labelsize=TEXT["size"], labelfontfamily=TEXT["family"])
    bar.set_ylabel("cosine", **TEXT)
    bar.axhline(gamma, color="black", linewidth=2)
    bar.text(-0.3, gamma, f"γ = {_number(gamma, 'g')}", ha="right", va="center", **TEXT)
    return figure


def _clustered(matrix: np.ndarray) -> np.ndarray:
    """Order of the classes, int (C,), that puts those with a high S beside each other."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    distance = np.maximum(0, 1 - (matrix + matrix.T) / 2)
    condensed = squareform(distance, checks=False)  # the diagonal is 0 but for rounding
    return leaves_list(linkage(condensed, "average", optimal_ordering=True))


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
    note = _wrapped(" ".join(words), WIDTH - 2 * MARGIN)
    bottom = 3 * MARGIN + LINE * (len(note.splitlines()) + 2)
    figure = Figure((WIDTH, bottom + HEIGHT + MARGIN), dpi=120, facecolor="white")
    _note(figure, note)
    side = (WIDTH - 2 * SCALE - MARGIN) / 2
    left = _axes(figure, SCALE, bottom, side, HEIGHT)
    right = _axes(figure, 2 * SCALE + side, bottom, side, HEIGHT)

    for number, (label, tables) in enumerate(curves.items()):
        colour = colormaps["tab10"](number % 10)
        _curve(left, tables, "ce", color=colour, label=label)
        _curve(right, tables, "icfs" if known else "intra", color=colour, label=label)
    icfs = "ICFS (Eq. 5)" if known else "ICFS within classes"
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


def _curve(axes: Axes, tables: Sequence[pd.DataFrame], column: str, **style: object) -> None:
    """The mean of the seeds' tables by epoch and, if there are several, each of them, thin."""
    if len(tables) > 1:
        for table in tables:
            thin = style | {"linewidth": 0.8, "alpha": 0.5, "label": None}
            axes.plot(table["epoch"], table[column], **thin)
    mean = pd.concat(tables).groupby("epoch")[column].mean()
    # The dots show a training of one epoch, too.
    axes.plot(mean.index, mean, linewidth=2.2, marker=".", **style)


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
    images: np.ndarray,
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
    figure, grid = _grid((shown["height"] / shown["width"]).to_numpy(), ["image", *runs], rule)
    for image, (quantile, _), line in zip(shown.itertuples(), chosen, grid, strict=True):
        name = textwrap.fill(_shown(shown.at[image.image_id, "class"]), 15)
        _label(line[0], f"{100 * quantile:.0f} %\n{name}")
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


def similar_classes(
    matrix: np.ndarray,
    names: Sequence[str],
    gamma: float,
    index: pd.DataFrame,
    images: np.ndarray,
) -> Figure:
    """Figure 6: similar classes, a group a row, each by its first training image.

    Groups are found by rule, see `groups`. Where no two classes are similar, the nearest pairs
    stand there all the same, and the figure says so.

    Args:
        matrix, names, gamma: as of `similarity`.
        index: the table of images; training images stand first.
        images: uint8 (n, R, R, 3), row i for row i of the index; drawn in their original aspect.

    Raises:
        InputError: a class has no image.
    """
    rows = groups(matrix, gamma)
    if rows:
        text = (
            "Groups are found by rule: the class with the highest S of all that are left, and up "
            f"to {NEIGHBOURS} classes most similar to it, S > γ = {_number(gamma, 'g')}. "
            "S is the cosine with the row's first class; a class is shown by its first image."
        )
    else:
        rows = groups(matrix, -np.inf, neighbours=1) or [[0]]
        only = "these are only the nearest" if len(matrix) > 1 else "there is only one"
        text = f"No two classes are similar at γ = {_number(gamma, 'g')}: {only}."
    first = dict(zip(*np.unique(index["class"].astype(str), return_index=True), strict=True))
    if lacking := [name for name in names if name not in first]:
        raise InputError(f"no image of {lacking[0]}. Make S again with `isic similarity`.")

    captions = {}
    for group in rows:
        for i in group:
            cosine = f"\nS = {_number(matrix[group[0], i])}" if i != group[0] else ""
            captions[i] = _wrapped(_shown(names[i]), CELL) + cosine
    shapes = index[["height", "width"]].iloc[[first[name] for name in names]].to_numpy()
    aspects = shapes[:, 0] / shapes[:, 1]
    tall = [CELL * min(1, aspects[group].max()) for group in rows]
    below = [2 * GAP + LINE * max(captions[i].count("\n") + 1 for i in group) for group in rows]

    width = 2 * MARGIN - GAP + max(map(len, rows)) * (CELL + GAP)
    text = _wrapped(text, width - 2 * MARGIN)
    y = height = 3 * MARGIN + LINE * len(text.splitlines()) + sum(tall) + sum(below)
    figure = Figure((width, height), dpi=120, facecolor="white")
    figure.text(MARGIN / width, 1 - MARGIN / height, text, ha="left", va="top", **TEXT)
    y -= 2 * MARGIN + LINE * len(text.splitlines())
    for group, high, room in zip(rows, tall, below, strict=True):
        y -= high
        for column, i in enumerate(group):
            axes = _axes(figure, MARGIN + column * (CELL + GAP), y, CELL, high)
            axes.set_anchor("S")  # pictures of a row stand on one line, over their names
            axes.set_axis_off()
            h, w = shapes[i]
            axes.imshow(images[first[names[i]]], extent=(0, w, h, 0))
            place = {"xy": (0.5, 0), "xycoords": "axes fraction", "textcoords": "offset points"}
            style = TEXT | {"ha": "center", "va": "top", "xytext": (0, -72 * GAP / 2)}
            axes.annotate(captions[i], **place, **style)
        y -= room
    return figure


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
    axes.legend(frameon=False, prop=FontProperties(family=TEXT["family"], size=TEXT["size"]))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def groups(matrix: np.ndarray, gamma: float, neighbours: int = NEIGHBOURS) -> list[list[int]]:
    """Groups of similar classes, by rule, at most `GROUPS`; none where no S is above γ.

    The class with the highest S among those left begins a group; the classes most similar to it
    follow, the highest S first, as far as they are left and above γ. All of them are taken out.

    Args:
        matrix: float (C, C), S.
        neighbours: classes beside the first, at most.
    """
    left = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix)
    found: list[list[int]] = []
    while len(found) < GROUPS and left.max() > gamma:
        seed = int(left.max(1).argmax())
        nearest = np.argsort(-left[seed], kind="stable")[:neighbours]
        group = [seed, *(int(i) for i in nearest if left[seed, i] > gamma)]
        left[group, :] = left[:, group] = -np.inf
        found.append(group)
    return found


def _grid(aspects: np.ndarray, titles: list[str], note: str) -> tuple[Figure, np.ndarray]:
    """A figure of axes (rows, columns) for pictures of these heights to their widths.

    `note` stands below them, with room for a legend beside it.
    """
    heights = CELL * np.minimum(1, aspects)
    n, columns = len(heights), len(titles)
    width = LEFT + columns * (CELL + GAP)
    note = _wrapped(note, width - MARGIN - LEGEND)
    bottom = 2 * MARGIN + LINE * len(note.splitlines())
    height = TOP + heights.sum() + (n - 1) * GAP + bottom
    figure = Figure((width, height), dpi=120, facecolor="white")
    _note(figure, note)
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
    place = run.image_id.get_indexer([image_id])[0]
    if place < 0:
        raise InputError(f"no map of {image_id} in a run. Make it again with `isic maps`.")
    heat = upsample(run.maps[[place]], photograph.shape[:2])[0]
    if run.relative and heat.max() > 0:
        heat /= heat.max()
    opacity = OPACITY * np.sqrt(heat)[..., None]
    return (1 - opacity) * photograph + opacity * colormaps[HEAT](heat)[..., :3]


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the figure's lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((x / w, y / h, width / w, height / h))


def _shown(name: str) -> str:
    """A class's name as people write it: `001.Black_footed_Albatross`, Black footed Albatross."""
    name = re.sub(r"^\d+\.(?=[^\W\d_])", "", name).replace("_", " ")
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}…"
    return name.replace("$", r"\$")  # a pair of dollars would begin a formula


def _number(value: float, form: str = "z.2f") -> str:
    return f"{value:{form}}".replace("-", "−")


def _width(text: str, size: float) -> float:
    """Width of a line of text, inches."""
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family=TEXT["family"]))
    return path.get_extents().width / 72


def _wrapped(text: str, width: float) -> str:
    """Text in lines of a width in inches."""
    return textwrap.fill(text, int(width / LETTER))


def _note(figure: Figure, text: str) -> None:
    """Write at the lower left of a figure."""
    w, h = figure.get_size_inches()
    figure.text(MARGIN / w, MARGIN / h, text, ha="left", va="bottom", **TEXT)


def _label(axes: Axes, text: str) -> None:
    """Write left of a row."""
    place = axes.get_position()
    x = place.x0 - 0.1 / axes.figure.get_figwidth()
    axes.figure.text(x, (place.y0 + place.y1) / 2, text, ha="right", va="center", **TEXT)


def _outline(axes: Axes, box: np.ndarray, colour: str) -> None:
    x0, y0, x1, y1 = box
    for line, width in (("black", 3.5), (colour, 2.0)):  # a rim, to be seen on any ground
        style = {"fill": False, "edgecolor": line, "linewidth": width, "clip_on": False}
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **style))


def _badge(axes: Axes, text: str) -> None:
    ground = {"facecolor": "black", "alpha": 0.65, "edgecolor": "none", "pad": 2.0}
    axes.text(0.03, 0.05, text, transform=axes.transAxes, color="white", bbox=ground, **TEXT)
