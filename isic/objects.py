"""Objects of one image: from the segmenter's map to boxes, masks and how far to trust them.

Section 3.1 (mask → box), for one image at a time and for several objects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from isic.boxes import View, components, from_view
from isic.interpolation import upsample

# Confidence compares an object as a low and as a high cut of the sigmoid show it. Chosen on the
# training images of two data sets (docs/results.md).
LOW, HIGH = 0.3, 0.9
MOST = 255  # objects of an image: a mask file has a byte a pixel


class Objects(NamedTuple):
    """Objects of one image, the largest first."""

    boxes: np.ndarray  # (k, 4) float64 x0, y0, x1, y1, pixels of the image, x1 and y1 exclusive
    confidence: np.ndarray  # (k,) float64 in 0 … 1
    labels: np.ndarray  # (s, s) int32 in the view: 1 … k in an object, k + 1 … elsewhere above cut
    map: np.ndarray  # (s, s) float32, the map in the view


def find_objects(
    map_: np.ndarray,
    threshold: float,
    side: int,
    size: tuple[int, int],
    *,
    all_objects: bool = False,
    min_area: float = 0.0,
) -> Objects:
    """Objects in the segmenter's map of a whole image.

    Args:
        map_: (h, w) float, the sigmoid.
        threshold: an object is an 8-connected component above it.
        side: s, of the view that the network saw, pixels.
        size: width and height of the image, pixels.
        all_objects: every component counts, up to the 255 largest, else only the largest.
        min_area: least area of an object as a share of the image, 0 … 1.

    Returns:
        Objects; maybe none.
    """
    full = upsample(map_[None], (side, side))
    found = components(full > np.float32(threshold))
    order = np.argsort(-found.area, kind="stable")
    chosen = order if all_objects else order[:1]
    chosen = chosen[found.area[chosen] >= min_area * side**2][:MOST]
    rank = np.zeros(len(order) + 1, np.int32)  # by component's label; 0 stays clear
    rank[order + 1] = np.arange(1, len(order) + 1)
    labels = rank[found.labels[0]]
    sizes = np.tile(np.array(size, float), (len(chosen), 1))
    return Objects(
        boxes=from_view(found.boxes[chosen], sizes, View(side)),
        confidence=np.array([_confidence(full[0], labels, k + 1) for k in range(len(chosen))]),
        labels=labels,
        map=full[0],
    )


def _confidence(full: np.ndarray, labels: np.ndarray, label: int) -> float:
    """IoU of an object as a high and as a low cut show it: 1 where it is the same at any cut.

    What lies below the object's own cut counts as far as it is connected with it and belongs to no
    other object.
    """
    object_ = labels == label
    low = components(((full > LOW) & (labels == 0) | object_)[None])
    around = low.area[low.labels[0][object_][0] - 1]
    return float((object_ & (full > HIGH)).sum() / around)


def pixel_mask(
    objects: Objects, number: int, threshold: float, size: tuple[int, int]
) -> np.ndarray:
    """The mask of an object in the image's own pixels.

    Args:
        number: of the object, from 0.
        threshold: as in `find_objects`.
        size: width and height of the image, pixels.

    Returns:
        (height, width) bool, at least one pixel. Nothing of it lies outside the object's box,
        rounded outwards.
    """
    width, height = size
    mask = np.zeros((height, width), bool)
    x0, y0, x1, y1 = pixel_box(objects.boxes[number], size)
    # The other objects' slopes would reach over the border between them.
    own = (objects.labels == 0) | (objects.labels == number + 1)
    side = len(objects.labels)
    region = np.array([x0 / width, y0 / height, x1 / width, y1 / height]) * side
    values = Image.fromarray(np.where(own, objects.map, np.float32(0)))
    scaled = np.asarray(values.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, tuple(region)))
    # In an image smaller than the view a speck may fall below the cut.
    mask[y0:y1, x0:x1] = scaled > min(threshold, np.nextafter(scaled.max(), np.float32(-1)))
    return mask


def pixel_box(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box rounded outwards to whole pixels, within an image of width and height `size`."""
    x0, y0 = np.floor(box[:2] + 1e-9).astype(int)
    x1, y1 = np.ceil(box[2:] - 1e-9).astype(int)
    return max(x0, 0), max(y0, 0), min(max(x1, x0 + 1), size[0]), min(max(y1, y0 + 1), size[1])
