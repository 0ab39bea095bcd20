"""Figures that know the test set's truth: MaxBoxAcc and MaxBoxAccV2 of boxes, PxAP of pixels.

Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020. Each takes
the best threshold, or all of them: oracles, never to be compared with a threshold fixed beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from isic.data.image import in_order
from isic.errors import InputError
from isic.evaluation.protocols import PROTOCOLS, Truth, best_overlaps, hits
from isic.evaluation.statistics import bootstrap, wilson
from isic.localization.boxes import Maps, from_view, read_maps
from isic.localization.interpolation import upsample
from isic.localization.nested import nested_components
from isic.storage.hdf5 import open_hdf5

# Of MaxBoxAcc, at the view's resolution: 0, 0.001 … 0.999, wsolevaluation's cam_curve_interval.
SHARES = np.arange(1000) / 1000
IOUS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2
LARGEST = len(IOUS)  # the bit after theirs: whether the box of the largest component hits

Outcomes = dict[str, dict[str, np.ndarray]]  # by protocol and oracle: uint8 (images, thresholds)


def max_box_acc(
    truth: Truth,
    maps_file: str | os.PathLike[str],
    protocols: Sequence[str] = PROTOCOLS,
    resize: int = 256,
    crop: int = 224,
    *,
    counted: np.ndarray | None = None,
    threshold: float | None = None,
    workers: int = 1,
) -> dict[str, dict[str, Any]]:
    """MaxBoxAcc and MaxBoxAccV2 of maps (Choe et al.): accuracy at the best threshold for it.

    MaxBoxAcc boxes the largest component and asks for an IoU of 0.5. MaxBoxAccV2 is the mean over
    IoU 0.3, 0.5 and 0.7, each at its own best threshold, with a box for every component, of which
    one must hit.

    `max_box_acc` takes `SHARES` of each map's own maximum (of 1 where a map's scale means the same
    in all images, as a probability does). `own_unit_max_box_acc` takes thresholds in the maps' own
    unit, in which a run's fixed threshold is given: so it is never below that.

    Args:
        counted: (n,) bool, which images are scored; None: all.
        threshold: the run's fixed one, which is tried, too.
        workers: threads; the result does not depend on it.

    Returns:
        For each protocol `max_box_acc` and `max_box_acc_v2`, and the same in the maps' own unit, in
        percent, their 95 % intervals (Wilson; bootstrap over images at the chosen thresholds) and
        the thresholds that are the best, the lowest of equals.
    """
    views: dict[str, list[str]] = {"crop": [], "full": []}
    for protocol in protocols:
        views["crop" if protocol == "crop" else "full"].append(protocol)
    counted = np.ones(len(truth), bool) if counted is None else counted
    with open_hdf5(maps_file) as file:
        maps = read_maps(file, truth.image_id)
        grids = {"": SHARES, "own_unit_": _own_unit(maps, threshold)}
        shapes = {name: (len(truth), len(grid)) for name, grid in grids.items()}
        outcomes: Outcomes = {
            protocol: {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
            for protocol in protocols
        }

        def of_batch(batch: tuple[str, np.ndarray, np.ndarray]) -> None:
            view, rows, values = batch
            for protocol, name, found in _outcomes(
                maps, view, rows, values, grids, truth, views[view], resize, crop
            ):
                outcomes[protocol][name][rows] = found

        batches = ((name, *b) for name, asked in views.items() if asked for b in maps.batches(name))
        with ThreadPoolExecutor(workers) as pool:
            for _ in in_order(of_batch, batches, pool, 2 * workers):
                pass
    return {
        protocol: {
            f"{name}{figure}": value
            for name, grid in grids.items()
            for figure, value in _oracle(found[name][counted], grid).items()
        }
        | {"oracles": "max_box_acc and the like choose their thresholds on the test boxes"}
        for protocol, found in outcomes.items()
    }


def _own_unit(maps: Maps, threshold: float | None) -> np.ndarray:
    """Thresholds in the maps' own unit, ascending: to 1 by 0.001 where no map is above, else to 10
    by 0.01; and the run's own."""
    largest = max(
        (values.max() for name in maps.views for _, values in maps.batches(name)), default=0
    )
    grid = SHARES if largest <= 1 else 10 * SHARES
    return grid if threshold is None else np.union1d(grid, [threshold])


def _outcomes(
    maps: Maps,
    view: str,
    rows: np.ndarray,
    values: np.ndarray,
    grids: dict[str, np.ndarray],
    truth: Truth,
    protocols: Sequence[str],
    resize: int,
    crop: int,
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Protocol, grid, and for each map (b) and threshold (t) which hits there are: uint8 (b, t).

    Bit k tells whether a component hits at the IoU k of `IOUS`, bit `LARGEST` whether the largest
    does at 0.5.
    """
    side = maps.views[view].side
    shares = grids[""].astype(np.float32)
    trees, places = [], []
    for full in upsample(values, (side, side)):
        peak = full.max() if maps.relative else np.float32(1)
        own = {name: grid.astype(np.float32) for name, grid in grids.items()} | {"": shares * peak}
        thresholds = np.sort(np.concatenate([*own.values()]))
        trees.append(nested_components(full, thresholds))
        places.append({name: np.searchsorted(thresholds, grid) for name, grid in own.items()})
    image = np.repeat(rows, [len(tree.boxes) for tree in trees])
    boxes = np.concatenate([tree.boxes for tree in trees])
    boxes = from_view(boxes, truth.sizes[image], maps.views[view])
    starts = np.cumsum([len(tree.boxes) for tree in trees])[:-1]
    for protocol in protocols:
        overlaps = best_overlaps(boxes, image, truth, protocol, resize, crop)
        found = {name: np.zeros((len(rows), len(grid)), np.uint8) for name, grid in grids.items()}
        for i, (tree, overlap) in enumerate(zip(trees, np.split(overlaps, starts), strict=True)):
            bits = np.zeros(len(tree.largest), np.uint8)
            for bit, least in enumerate(IOUS):
                hit = hits(overlap, protocol, least)
                ends = np.zeros(len(bits) + 1, int)
                np.add.at(ends, tree.first[hit], 1)
                np.add.at(ends, tree.stop[hit], -1)
                bits |= (ends[:-1].cumsum() > 0).astype(np.uint8) << bit
            hit = np.append(hits(overlap, protocol), False)  # the last for -1: no component
            bits |= hit[tree.largest].astype(np.uint8) << LARGEST
            for name, place in places[i].items():
                found[name][i] = bits[place]
        for name, table in found.items():
            yield protocol, name, table


def _oracle(bits: np.ndarray, thresholds: np.ndarray) -> dict[str, Any]:
    """Figures from the outcomes of the images that count, see `_outcomes`: (images, thresholds)."""
    n = len(bits)
    counts = [np.count_nonzero(bits & (1 << bit), 0) for bit in range(LARGEST + 1)]
    *bests, best = (int(count.argmax()) for count in counts)
    levels = np.sum([(bits[:, i] >> bit) & 1 for bit, i in enumerate(bests)], axis=0, dtype=int)
    right = int(counts[LARGEST][best])
    return {
        "max_box_acc": 100 * right / n,
        "max_box_acc_interval": wilson(right, n),
        "max_box_acc_cut": float(thresholds[best]),
        "max_box_acc_v2": 100 * float(levels.mean()) / len(IOUS),
        "max_box_acc_v2_interval": bootstrap(levels, len(IOUS)),
        "max_box_acc_v2_cuts": [float(thresholds[i]) for i in bests],
    }


def pixel_counts(map_: np.ndarray, mask: np.ndarray, bins: int = 1000) -> np.ndarray:
    """How many pixels of background and object there are at each level of a map: (2, bins + 1) int.

    Args:
        map_: (h, w) float, 0 … 1; a map is relative or absolute as its maker says.
        mask: (h, w), the true mask: 1 object, 0 background; other values are not counted.
        bins: levels that values are told apart at.

    Raises:
        InputError: a value outside 0 … 1 or not finite, or sizes that differ.
    """
    if map_.shape != mask.shape:
        raise InputError(f"a map of {map_.shape} and a mask of {mask.shape}: resize the map")
    if not (map_.min() >= 0 and map_.max() <= 1):  # false for NaN
        raise InputError("a map has values outside 0 … 1: divide it by its maximum")
    level = (map_ * bins).astype(np.int16)  # small, for a mask picks from it
    return np.stack([np.bincount(level[mask == value], minlength=bins + 1) for value in (0, 1)])


def pxap(counts: np.ndarray) -> float:
    """Pixel average precision in percent: area under precision and recall over all pixels.

    Args:
        counts: as `pixel_counts` gives them, summed over the images.

    Raises:
        InputError: no object pixel.
    """
    background, objects = counts[:, ::-1].cumsum(1)
    if not objects[-1]:
        raise InputError("the masks hold no object pixel: PxAP is not defined")
    precision = objects / np.maximum(objects + background, 1)
    return 100 * float((np.diff(objects, prepend=0) * precision).sum() / objects[-1])
