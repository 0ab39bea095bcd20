"""The components of a map at many thresholds at once.

A component above a threshold lies within one above any lower threshold. So the components of all
thresholds form a tree, and one pass over the pixels builds it: every pixel belongs to the peak that
it climbs to, and peaks join, from the highest pass between two of them down.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from isic.localization.boxes import components

# Of a pixel's eight neighbours those that come after it, row by row; the others mirror them.
LATER = ((0, 1), (1, -1), (1, 0), (1, 1))
SHIFT = 12  # leaves 2048 buckets an octave


class Nested(NamedTuple):
    """Components of one map: each box, with the thresholds at which a component has it."""

    boxes: np.ndarray  # (k, 4) int, x0, y0, x1, y1, exclusive
    first: np.ndarray  # (k,) int, place of the lowest of these thresholds
    stop: np.ndarray  # (k,) int, the place after the highest
    largest: np.ndarray  # (t,) int, for each threshold the box of the largest component, or -1


def nested_components(map_: np.ndarray, thresholds: np.ndarray) -> Nested:
    """The 8-connected components of a map (h, w) ≥ 0 above each of the thresholds (t,), ascending.

    They are those of `isic.localization.boxes.components` of `map_ > threshold`; of components of
    one size the first in order of pixels is the largest.
    """
    map_, thresholds = np.ascontiguousarray(map_, np.float32), thresholds.astype(np.float32)
    largest = np.full(len(thresholds), -1)
    thresholds = thresholds[: np.searchsorted(thresholds, map_.max())]
    if not len(thresholds):
        return Nested(np.zeros((0, 4), int), np.zeros(0, int), np.zeros(0, int), largest)
    peak, tops = _peaks(map_)
    level = _levels(map_, thresholds)  # how many thresholds a pixel is above
    joins = list(_joins(peak, level, len(tops)))
    # A peak stands for its component from its own level down to the one where another peak's takes
    # it in. Each of these levels has a cell, from the highest down, peak behind peak.
    top, bottom = level.ravel()[tops], np.zeros(len(tops), int)
    for _, other, above in joins:
        bottom[other] = above
    stops = np.cumsum(top - bottom)
    starts, total = stops - (top - bottom), int(stops[-1])
    cells = (starts + top)[:, None] - np.arange(len(thresholds) + 1)
    for one, other, above in reversed(joins):
        cells[other, : above + 1] = cells[one, : above + 1]
    cells[:, 0] = total  # of pixels above no threshold
    own = cells.ravel().take(np.multiply(peak, cells.shape[1], dtype=np.int64) + level)
    area = np.bincount(own.ravel(), minlength=total + 1)
    limits = np.concatenate([_limits(peak.T, level.T, cells), _limits(peak, level, cells)])
    into = {other: int(cells[one, above]) for one, other, above in joins}
    for number in [*into, *(set(range(len(tops))) - set(into))]:
        part = slice(starts[number], stops[number])
        if part.start < part.stop:
            area[part].cumsum(out=area[part])
            np.maximum.accumulate(limits[:, part], 1, out=limits[:, part])
            if number in into:
                cell, end = into[number], part.stop - 1
                area[cell] += area[end]
                np.maximum(limits[:, cell], limits[:, end], out=limits[:, cell])
    place = np.repeat(starts + top, top - bottom) - np.arange(total) - 1
    boxes = limits[[0, 2, 1, 3], :total].T * [-1, -1, 1, 1] + [0, 0, 1, 1]
    new = np.ones(total, bool)
    new[1:] = (boxes[1:] != boxes[:-1]).any(1) | (np.diff(place) != -1)
    box_number = np.cumsum(new) - 1
    size = area[:total] * (len(map_) + 1) - boxes[:, 1]  # of equals the one that begins higher up
    order = np.lexsort((size, place))
    last = np.append(place[order][1:] != place[order][:-1], True)
    largest[place[order][last]] = box_number[order][last]
    tied = ~last[:-1] & last[1:] & (size[order][1:] == size[order][:-1])
    for threshold in place[order][1:][tied]:  # rare: both begin in one row
        found = components((map_ > thresholds[threshold])[None])
        box = found.boxes[found.largest()[0]]
        largest[threshold] = box_number[(place == threshold) & (boxes == box).all(1)][0]
    return Nested(boxes[new], place[np.append(new[1:], True)], place[new] + 1, largest)


def _levels(map_: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many of the thresholds each pixel is above: `np.searchsorted`, only faster.

    Both are sorted into buckets by the first bits of a float, which grow as it does if it is not
    negative. Only thresholds in a pixel's own bucket are compared with it.
    """
    positive = thresholds[thresholds > 0]
    base = (int(positive[:1].view(np.int32)[0]) >> SHIFT) - 1 if len(positive) else 0
    known, seen = (
        np.maximum((values.view(np.int32) >> SHIFT) - base, 0) for values in (thresholds, map_)
    )
    held = np.bincount(known, minlength=int(seen.max()) + 1)
    level = (held.cumsum() - held).take(seen)
    padded = np.append(thresholds, np.float32(np.inf))
    for _ in range(held.max()):
        level += padded.take(level) < map_
    return level


def _peaks(map_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The peak that each pixel of a map (h, w) belongs to, by number, and the peaks' own pixels.

    From every pixel a way leads to its peak over pixels of the same peak, of which none is lower
    than the one before: within its row first, from the row's peak to one of a row beside it. Of
    equal pixels a later one counts as higher.
    """
    height, width = map_.shape
    climbs = np.zeros(map_.shape, bool)  # to the right
    np.greater_equal(map_[:, 1:], map_[:, :-1], out=climbs[:, :-1])
    falls = ~climbs
    start, top = climbs.copy(), falls.copy()
    start[:, 1:] &= falls[:, :-1]
    top[:, 1:] &= climbs[:, :-1]
    start[:, 0] = True
    slope = start.ravel().cumsum() - 1
    tops = np.flatnonzero(top)
    # The highest neighbour of each row's peak, in the rows beside it.
    padded = np.full((height + 2, width + 2), -1, map_.dtype)
    padded[1:-1, 1:-1] = map_
    best, to = map_.ravel()[tops], tops
    at = tops + 2 * (tops // width) + width + 3  # in the padded map
    padded = padded.ravel()
    for step, before in ((-1, True), (0, True), (1, True), (-1, False), (0, False), (1, False)):
        rows = -1 if before else 1
        other = padded[at + rows * (width + 2) + step]
        higher = other > best if before else other >= best
        best, to = np.where(higher, other, best), np.where(higher, tops + rows * width + step, to)
    to = slope[to]
    while (to[to] != to).any():
        to = to[to]
    peaks, of_slope = np.unique(to, return_inverse=True)
    return of_slope.astype(np.int32)[slope].reshape(map_.shape), tops[peaks]


def _limits(peak: np.ndarray, level: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Of each cell's pixels the first line, negative, and the last: (2, total + 1) int.

    A line is a row of `peak` and `level`. Only the highest of a line's adjacent pixels of one peak
    count: the others are in the same line, and in the component later.
    """
    lines, length = peak.shape
    peak, level = peak.ravel(), level.ravel()
    start = np.append(True, peak[1:] != peak[:-1])
    start[::length] = True
    starts = np.flatnonzero(start)
    cell = cells[peak[starts], np.maximum.reduceat(level, starts)]
    line = starts // length
    limits = np.full((2, cells[0, 0] + 1), -lines)
    # Of several values for one cell the last stays.
    limits[0][cell[::-1]], limits[1][cell] = -line[::-1], line
    return limits


def _joins(peak: np.ndarray, level: np.ndarray, count: int) -> Iterator[tuple[int, int, int]]:
    """Which peaks join which, and how many thresholds the pass is above, from the highest down."""
    width = peak.shape[1]
    most, passes = int(level.max()) + 1, []
    peak, level = peak.ravel(), level.ravel()
    for y, x in LATER:
        step = y * width + x
        if not step:  # a map of one column has no such neighbours
            continue
        here = np.flatnonzero(peak[step:] != peak[:-step])
        column = here % width + x  # of the neighbour, if the row is wide enough to have it
        here = here[(column >= 0) & (column < width)]
        one, other = peak[here].astype(np.int64), peak[here + step]
        pair = np.minimum(one, other) * count + np.maximum(one, other)
        passes.append(pair * most + np.minimum(level[here], level[here + step]))
    ordered = np.sort(np.concatenate(passes))
    pair, above = np.divmod(ordered, most)
    highest = np.append(pair[1:] != pair[:-1], True) & (above > 0)
    pair, above = pair[highest], above[highest]
    parent = list(range(count))

    def root(peak: int) -> int:
        while parent[peak] != peak:
            parent[peak] = parent[parent[peak]]
            peak = parent[peak]
        return peak

    for place in np.argsort(-above, kind="stable").tolist():
        one, other = (root(peak) for peak in divmod(int(pair[place]), count))
        if one != other:
            parent[other] = one
            yield one, other, int(above[place])
