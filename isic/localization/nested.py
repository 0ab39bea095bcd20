"""The components of a map at many thresholds at once.

A component above a threshold lies within one above any lower threshold. So the components of all
thresholds form a tree, and one pass over the pixels builds it: every pixel belongs to the peak that
it climbs to, and peaks join, from the highest pass between two of them down.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Of a pixel's eight neighbours those that come after it, row by row; the others mirror them.
SHIFT = 12  # leaves 2048 buckets an octave
LATER = ((0, 1), (1, -1), (1, 0), (1, 1))


class Nested(NamedTuple):
    """Components of one map: each box, with the thresholds at which a component has it."""

    boxes: np.ndarray  # (k, 4) int, x0, y0, x1, y1, exclusive
    first: np.ndarray  # (k,) int, place of the lowest of these thresholds
    stop: np.ndarray  # (k,) int, the place after the highest
    largest: np.ndarray  # (t,) int, for each threshold the box of the largest component, or -1


def nested_components(map_: np.ndarray, thresholds: np.ndarray) -> Nested:
    """The 8-connected components of a map (h, w) above each of the thresholds (t,), ascending.

    They are those of `isic.localization.boxes.components` of `map_ > threshold`; of components of
    one size the first in order of pixels is the largest.
    """
    map_, thresholds = np.ascontiguousarray(map_, np.float32), thresholds.astype(np.float32)
    (height, width), count = map_.shape, len(thresholds)
    # How many thresholds a pixel is above.
    level = _levels(map_, thresholds)
    peak, peaks = _peaks(map_)
    code = peak * (count + 1) + level
    places, columns = np.arange(map_.size), np.repeat(np.arange(width), height)
    by_row, by_column = code.ravel(), code.T.ravel()
    area = np.bincount(by_row, minlength=peaks * (count + 1)).reshape(peaks, count + 1)
    # Of the pixels of one peak and level the last that is assigned stays.
    lowest = [(by_row[::-1], places[::-1], map_.size), (by_column[::-1], columns[::-1], width)]
    highest = [(by_row, places, -1), (by_column, columns, -1)]
    # From the pixels of a level to all that are above a threshold.
    area = area[:, :0:-1].cumsum(1)[:, ::-1]
    first, left = (
        np.minimum.accumulate(_last(area, *assigned)[:, :0:-1], 1)[:, ::-1] for assigned in lowest
    )
    last, right = (
        np.maximum.accumulate(_last(area, *assigned)[:, :0:-1], 1)[:, ::-1] for assigned in highest
    )
    for one, other, below in _joins(peak, level, peaks):
        area[one, :below] += area[other, :below]
        area[other, :below] = 0
        for values in (first, left):
            np.minimum(values[one, :below], values[other, :below], out=values[one, :below])
        for values in (last, right):
            np.maximum(values[one, :below], values[other, :below], out=values[one, :below])
    alive = np.flatnonzero(area)
    corners = [left, first // width, right + 1, last // width + 1]
    boxes = np.stack([corner.ravel()[alive] for corner in corners], axis=1)
    new = np.ones(len(alive), bool)
    new[1:] = (boxes[1:] != boxes[:-1]).any(1) | (np.diff(alive) > 1) | (alive[1:] % count == 0)
    starts = np.flatnonzero(new)
    ends = alive[np.append(starts[1:], len(alive)) - 1] if len(alive) else alive
    number = np.full(area.shape, -1)
    number.ravel()[alive] = np.cumsum(new) - 1
    best = (area * (map_.size + 1) - first).argmax(0)
    largest = number[best, np.arange(count)]
    return Nested(boxes[starts], alive[starts] % count, ends % count + 1, largest)


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


def _last(area: np.ndarray, code: np.ndarray, values: np.ndarray, otherwise: int) -> np.ndarray:
    """For each peak and level the last of its pixels' values: (peaks, t + 1) int32."""
    table = np.full((len(area), area.shape[1] + 1), otherwise, np.int32)
    table.ravel()[code] = values
    return table


def _peaks(map_: np.ndarray) -> tuple[np.ndarray, int]:
    """The peak that each pixel of a map (h, w) belongs to, 0 … count - 1, and the count.

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
    return of_slope[slope].reshape(map_.shape), len(peaks)


def _joins(peak: np.ndarray, level: np.ndarray, count: int) -> Iterator[tuple[int, int, int]]:
    """Which peaks join which, and below which place of a threshold, from the highest pass down."""
    height, width = peak.shape
    most, passes = int(level.max()) + 1, []
    for y, x in LATER:
        here = np.s_[: height - y, max(0, -x) : width - max(0, x)]
        there = np.s_[y:, max(0, x) : width + min(0, x)]
        apart = peak[here] != peak[there]
        one, other = peak[here][apart], peak[there][apart]
        pair = np.minimum(one, other) * count + np.maximum(one, other)
        passes.append(pair * most + np.minimum(level[here][apart], level[there][apart]))
    ordered = np.sort(np.concatenate(passes))
    pair, below = np.divmod(ordered, most)
    highest = np.append(pair[1:] != pair[:-1], True) & (below > 0)
    pair, below = pair[highest], below[highest]
    parent = list(range(count))

    def root(peak: int) -> int:
        while parent[peak] != peak:
            parent[peak] = parent[parent[peak]]
            peak = parent[peak]
        return peak

    for place in np.argsort(-below, kind="stable").tolist():
        one, other = (root(peak) for peak in divmod(int(pair[place]), count))
        if one != other:
            parent[other] = one
            yield one, other, int(below[place])
