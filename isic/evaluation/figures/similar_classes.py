"""Figure 6: similar classes in pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.evaluation.figures.drawing import (
    CELL,
    GAP,
    LINE,
    MARGIN,
    TEXT,
    axes_at,
    class_texts,
    number_text,
    wrapped,
)
from isic.evaluation.figures.fonts import families

GROUPS, NEIGHBOURS = 6, 4  # rows of the figure, and classes beside the first


def similar_classes(
    matrix: np.ndarray,
    names: Sequence[str],
    gamma: float,
    index: pd.DataFrame,
    images: np.ndarray | Encoded,
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
            f"to {NEIGHBOURS} classes most similar to it, S > γ = {number_text(gamma, 'g')}. "
            "S is the cosine with the row's first class; a class is shown by its first image."
        )
    else:
        rows = groups(matrix, -np.inf, neighbours=1) or [[0]]
        only = "these are only the nearest" if len(matrix) > 1 else "there is only one"
        text = f"No two classes are similar at γ = {number_text(gamma, 'g')}: {only}."
    first = dict(zip(*np.unique(index["class"].astype(str), return_index=True), strict=True))
    if lacking := [name for name in names if name not in first]:
        raise InputError(f"no image of {lacking[0]}. Make S again with `isic similarity`.")

    captions, texts = {}, class_texts(names)
    for group in rows:
        for i in group:
            cosine = f"\nS = {number_text(matrix[group[0], i])}" if i != group[0] else ""
            captions[i] = wrapped(texts[i], CELL) + cosine
    shapes = index[["height", "width"]].iloc[[first[name] for name in names]].to_numpy()
    aspects = shapes[:, 0] / shapes[:, 1]
    tall = [CELL * min(1, aspects[group].max()) for group in rows]
    below = [2 * GAP + LINE * max(captions[i].count("\n") + 1 for i in group) for group in rows]

    width = 2 * MARGIN - GAP + max(map(len, rows)) * (CELL + GAP)
    text = wrapped(text, width - 2 * MARGIN)
    y = height = 3 * MARGIN + LINE * len(text.splitlines()) + sum(tall) + sum(below)
    figure = Figure((width, height), dpi=120, facecolor="white")
    figure.text(MARGIN / width, 1 - MARGIN / height, text, ha="left", va="top", **TEXT)
    y -= 2 * MARGIN + LINE * len(text.splitlines())
    for group, high, room in zip(rows, tall, below, strict=True):
        y -= high
        for column, i in enumerate(group):
            axes = axes_at(figure, MARGIN + column * (CELL + GAP), y, CELL, high)
            axes.set_anchor("S")  # pictures of a row stand on one line, over their names
            axes.set_axis_off()
            h, w = shapes[i]
            axes.imshow(images[first[names[i]]], extent=(0, w, h, 0))
            place = {"xy": (0.5, 0), "xycoords": "axes fraction", "textcoords": "offset points"}
            style = TEXT | place | {"ha": "center", "va": "top", "xytext": (0, -72 * GAP / 2)}
            axes.annotate(captions[i], **style | {"family": families([captions[i]])})
        y -= room
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
