"""Masks against true masks: PxAP of the maps, IoU and boundary IoU of the masks at their threshold.

PxAP is that of Choe et al. (CVPR 2020), `isic.evaluation.oracles.pxap`. Boundary IoU is that of
Cheng et al. (Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021): the
IoU of the pixels of both masks that are within 2 % of the image's diagonal of their outlines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from isic.data.image import in_order
from isic.data.true_masks import BACKGROUND, NOT_COUNTED, OBJECT, decoded_mask
from isic.evaluation.oracles import pixel_counts, pxap
from isic.evaluation.protocols import Truth
from isic.localization.boxes import read_maps
from isic.localization.objects import find_objects, object_mask
from isic.storage.hdf5 import open_hdf5

DILATION = 0.02  # of the diagonal: the authors' value
MASKED = ("resize", "original")  # the protocols that see whole images


def mask_figures(
    truth: Truth,
    masks: Mapping[str, bytes],
    maps_file: str | os.PathLike[str],
    threshold: float,
    protocols: Sequence[str] = MASKED,
    *,
    workers: int = 1,
) -> dict[str, dict[str, Any]]:
    """Figures of the evaluated images that have a true mask, by protocol; none without masks.

    The map of the whole image is laid over it. Under `original` the true mask is that of the
    original pixels, under `resize` it is resized to the view, as wsolevaluation does for PxAP.

    Args:
        masks: true masks by image, as `isic.data.true_masks.read_masks` gives them.
        threshold: of the mask, in the unit of the maps.
        workers: threads; the result does not depend on it.

    Returns:
        `pxap`, and under `original` `mask_iou` and `boundary_iou`, means over the images, in
        percent; `masks`, how many there are. A map with nothing above the threshold has IoU 0.
    """
    rows = [row for row, image_id in enumerate(truth.image_id) if image_id in masks]
    chosen = [protocol for protocol in MASKED if protocol in protocols]
    if not (rows and chosen):
        return {}
    with open_hdf5(maps_file) as file:
        maps = read_maps(file, truth.image_id)
        side = maps.views["full"].side

        def of_image(one: tuple[int, np.ndarray]) -> tuple[list[np.ndarray], tuple[float, float]]:
            row, map_ = one
            true = decoded_mask(masks[truth.image_id[row]])
            size = true.shape[1], true.shape[0]
            objects = find_objects(map_, threshold, side, size)
            peak = objects.map.max() if maps.relative else 1
            levels = Image.fromarray(objects.map / peak if peak > 0 else objects.map)
            counts = []
            for protocol in chosen:
                to = size if protocol == "original" else (side, side)
                seen = np.asarray(levels.resize(to, Image.Resampling.BILINEAR)).clip(0, 1)
                resized = Image.fromarray(true).resize(to, Image.Resampling.NEAREST)
                counts.append(pixel_counts(seen, np.asarray(resized)))
            return counts, mask_overlaps(object_mask(objects, size), true)

        wanted = set(rows)
        batches = maps.batches("full")
        images = (
            (row, map_)
            for places, values in batches
            for row, map_ in zip(places.tolist(), values, strict=True)
            if row in wanted
        )
        totals: list[Any] = [0] * len(chosen)
        overlaps = []
        with ThreadPoolExecutor(workers) as pool:
            for counts, overlap in in_order(of_image, images, pool, 8 * workers):
                totals = [total + count for total, count in zip(totals, counts, strict=True)]
                overlaps.append(overlap)
    figures = {
        protocol: {"masks": len(rows), "pxap": pxap(total)}
        for protocol, total in zip(chosen, totals, strict=True)
    }
    if "original" in figures:
        means = 100 * np.nanmean(overlaps, axis=0)
        figures["original"] |= dict(zip(("mask_iou", "boundary_iou"), means.tolist(), strict=True))
    return figures


def mask_overlaps(mask: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """IoU and boundary IoU of a mask, over the pixels that are counted.

    Args:
        mask: (h, w) bool.
        true: (h, w) uint8, 0 background, 1 object, 255 not counted; it has an object pixel.

    Returns:
        Both in 0 … 1; the boundary's nan where neither mask has any in what is counted.
    """
    counted = true != NOT_COUNTED
    width = max(1, round(DILATION * float(np.hypot(*true.shape))))
    filled = true == OBJECT if counted.all() else without_gaps(true)
    inner = boundary(mask, width), boundary(filled, width)
    return _iou(mask, filled, counted), _iou(*inner, counted)


def _iou(one: np.ndarray, other: np.ndarray, counted: np.ndarray) -> float:
    union = np.count_nonzero((one | other) & counted)
    return np.count_nonzero(one & other & counted) / union if union else float("nan")


def boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """A mask's pixels that are within `width` pixels of its outline, as a king moves: (h, w) bool.

    The frame of the image is part of the outline: what is outside counts as background.
    """
    inside = mask
    for axis in (0, 1):  # of 2 · width + 1 neighbours all are of the mask: by doubling
        inside = np.pad(inside, [(width, width) if axis == other else (0, 0) for other in (0, 1)])
        inside = np.moveaxis(inside, axis, 0)
        seen = 1
        while seen < 2 * width + 1:
            step = min(seen, 2 * width + 1 - seen)
            inside = inside[:-step] & inside[step:]
            seen += step
        inside = np.moveaxis(inside, 0, axis)
    return mask & ~inside


def without_gaps(true: np.ndarray) -> np.ndarray:
    """The object, with what is not counted as far as it is nearer to the object: (h, w) bool.

    So the outline runs in the middle of a band that annotators left open.
    """
    away = [
        ndimage.distance_transform_cdt(true != value, "chessboard").astype(np.uint32)
        for value in (OBJECT, BACKGROUND)  # where there is no background, its distance is the most
    ]
    return away[0] < away[1]
