"""Figures that know the test set's truth: MaxBoxAcc and MaxBoxAccV2 of boxes, PxAP of pixels.

Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020. Each takes
the best threshold, or all of them: oracles, never to be compared with a threshold fixed beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from isic.errors import InputError
from isic.evaluation.protocols import PROTOCOLS, Truth, best_overlaps, hits
from isic.evaluation.statistics import bootstrap, wilson
from isic.localization.boxes import components, from_view, read_maps
from isic.localization.interpolation import upsample
from isic.storage.hdf5 import open_hdf5

THRESHOLDS = np.arange(20) / 20  # of MaxBoxAcc, at the view's resolution: 0, 0.05 … 0.95
IOUS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2


def max_box_acc(
    truth: Truth,
    maps_file: str | os.PathLike[str],
    protocols: Sequence[str] = PROTOCOLS,
    resize: int = 256,
    crop: int = 224,
    thresholds: np.ndarray = THRESHOLDS,
) -> dict[str, dict[str, Any]]:
    """MaxBoxAcc and MaxBoxAccV2 of maps (Choe et al.): accuracy at the best threshold for it.

    MaxBoxAcc boxes the largest component and asks for an IoU of 0.5. MaxBoxAccV2 is the mean over
    IoU 0.3, 0.5 and 0.7, each at its own best threshold, with a box for every component, of which
    one must hit.

    Returns:
        For each protocol `max_box_acc` and `max_box_acc_v2` in percent, their 95 % intervals
        (Wilson; bootstrap over images at the chosen thresholds) and these.
    """
    asked: dict[str, list[str]] = {"crop": [], "full": []}
    for protocol in protocols:
        asked["crop" if protocol == "crop" else "full"].append(protocol)
    shape = (len(thresholds), len(truth))
    largest = {protocol: np.zeros(shape) for protocol in protocols}
    every = {protocol: np.zeros(shape) for protocol in protocols}
    with open_hdf5(maps_file) as file:
        maps = read_maps(file, truth.image_id)
        for name, wanted in asked.items():
            if not wanted:
                continue
            view = maps.views[name]
            for rows, batch in maps.batches(name):
                full = upsample(batch, (view.side, view.side))
                peak = full.max((1, 2), keepdims=True) if maps.relative else np.float32(1)
                for i, threshold in enumerate(thresholds.astype(np.float32)):
                    found = components(full > threshold * peak)
                    image = rows[found.mask]
                    boxes = from_view(found.boxes, truth.sizes[image], view)
                    main = found.largest()
                    for protocol in wanted:
                        overlap = best_overlaps(boxes, image, truth, protocol, resize, crop)
                        np.maximum.at(every[protocol][i], image, overlap)
                        largest[protocol][i, image[main]] = overlap[main]
    return {
        protocol: _oracle(largest[protocol], every[protocol], protocol, thresholds)
        for protocol in protocols
    }


def _oracle(
    largest: np.ndarray, every: np.ndarray, protocol: str, thresholds: np.ndarray
) -> dict[str, Any]:
    """Figures from the overlaps at every threshold, (thresholds, n)."""
    hit = hits(largest, protocol)
    best = int(hit.sum(1).argmax())
    multi = [hits(every, protocol, least) for least in IOUS]
    bests = [int(level.sum(1).argmax()) for level in multi]
    levels = np.sum([level[i] for level, i in zip(multi, bests, strict=True)], axis=0)
    n = len(levels)
    return {
        "max_box_acc": 100 * float(hit[best].mean()),
        "max_box_acc_interval": wilson(int(hit[best].sum()), n),
        "max_box_acc_cut": float(thresholds[best]),
        "max_box_acc_v2": 100 * float(levels.mean()) / len(IOUS),
        "max_box_acc_v2_interval": bootstrap(levels, len(IOUS)),
        "max_box_acc_v2_cuts": [float(thresholds[i]) for i in bests],
        "oracles": "max_box_acc and max_box_acc_v2 choose their cuts on the test boxes",
    }


def pxap(maps: Iterable[np.ndarray], masks: Iterable[np.ndarray], bins: int = 1000) -> float:
    """Pixel average precision in percent: area under precision and recall over all pixels.

    Args:
        maps: images' maps (h, w), 0 … 1; a map is relative or absolute as its maker says.
        masks: images' true masks (h, w) bool, of the same sizes.
        bins: levels that values are told apart at.

    Raises:
        InputError: a value outside 0 … 1 or not finite, sizes that differ, or no object pixel.
    """
    counts = np.zeros((2, bins + 1))  # background, object
    for map, mask in zip(maps, masks, strict=True):
        map, mask = np.asarray(map, float), np.asarray(mask, bool)
        if map.shape != mask.shape:
            raise InputError(f"a map of {map.shape} and a mask of {mask.shape}: resize the map")
        if not ((map >= 0) & (map <= 1)).all():  # false for NaN
            raise InputError("a map has values outside 0 … 1: divide it by its maximum")
        level = (map * bins).astype(int)
        for truth in (0, 1):
            counts[truth] += np.bincount(level[mask == truth], minlength=bins + 1)
    background, objects = counts[:, ::-1].cumsum(1)
    if not objects[-1]:
        raise InputError("the masks hold no object pixel: PxAP is not defined")
    precision = objects / np.maximum(objects + background, 1)
    return 100 * float((np.diff(objects, prepend=0) * precision).sum() / objects[-1])
