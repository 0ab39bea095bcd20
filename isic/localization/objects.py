"""Objects of one image: from the segmenter's map to boxes, masks and how far to trust them.

Section 3.1 (mask → box), for one image at a time and for several objects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from isic.localization.boxes import View, components, from_view
from isic.localization.interpolation import upsample

# Confidence compares an object as a low and as a high threshold of the sigmoid show it. Chosen on
# the training images of two data sets (docs/results/confidence.md).
LOW, HIGH = 0.3, 0.9
ABOVE, BELOW = 0.95, 0.05  # of the sigmoid: surely object, surely background
EIGHT = np.ones((3, 3), int)  # what connects: pixels that touch, also at corners
MOST = 255  # objects of an image: a mask file has a byte a pixel


class Objects(NamedTuple):
    """Objects of one image, the largest first."""

    boxes: np.ndarray  # (k, 4) float64 x0, y0, x1, y1, pixels of the image, x1 and y1 exclusive
    map: np.ndarray  # (s, s) float32, the map in the view
    shown: np.ndarray  # (s, s) float32, whose components the objects are: the map, or a mask of it
    threshold: float  # of what is shown
    labels: np.ndarray  # (s, s) int, the components above the threshold, 0 below
    ids: np.ndarray  # (k,) int, the label of each object

    @property
    def confidence(self) -> np.ndarray:
        """How far to trust each object of a segmenter's map: (k,) float64 in 0 … 1."""
        return np.array([_confidence(self.map, self.labels, label) for label in self.ids])


def refined(map_: np.ndarray, image: np.ndarray) -> np.ndarray:
    """What is object in an image, up to where its colours change (GrabCut).

    Args:
        map_: (h, w) float in 0 … 1, the sigmoid.
        image: (s, s, 3) uint8, the view that the network saw.

    Returns:
        (s, s) bool.
    """
    from isic.localization.grabcut import grabcut  # cv2: only who refines needs it

    return grabcut(image, upsample(map_[None], image.shape[:2])[0], above=ABOVE, below=BELOW)


def find_objects(
    map_: np.ndarray,
    threshold: float,
    side: int,
    size: tuple[int, int],
    *,
    mask: np.ndarray | None = None,
    all_objects: bool = False,
    min_area: float = 0.0,
) -> Objects:
    """Objects in a map of a whole image.

    Args:
        map_: (h, w) float: the sigmoid, or any other map.
        threshold: an object is an 8-connected component above it.
        side: s, of the view that the network saw, pixels.
        size: width and height of the image, pixels.
        mask: (s, s) bool, see `refined`: if not empty, its components count, not the map's.
        all_objects: every component counts, up to the 255 largest, else only the largest.
        min_area: least area of an object as a share of the image, 0 … 1.

    Returns:
        Objects; maybe none.
    """
    full = shown = upsample(map_[None], (side, side))[0]
    if mask is not None and mask.any():
        shown, threshold = mask.astype(np.float32), 0.5
    found = components(shown[None] > np.float32(threshold))
    order = np.argsort(-found.area, kind="stable")
    chosen = order if all_objects else order[:1]
    chosen = chosen[found.area[chosen] >= min_area * side**2][:MOST]
    labels, ids = found.labels[0], chosen + 1
    sizes = np.tile(np.array(size, float), (len(chosen), 1))
    return Objects(
        boxes=from_view(found.boxes[chosen], sizes, View(side)),
        map=full,
        shown=shown,
        threshold=threshold,
        labels=labels,
        ids=ids,
    )


def _confidence(full: np.ndarray, labels: np.ndarray, label: int) -> float:
    """IoU of an object as a high and as a low threshold show it: 1 where it is the same at any.

    What lies below the object's own threshold counts as far as it is connected with it and belongs
    to no other object.
    """
    object_ = labels == label
    free = full > LOW
    free &= labels == 0
    around, _ = ndimage.label(free | object_, EIGHT)
    held = around == around.ravel()[object_.argmax()]
    return np.count_nonzero(full[held] > HIGH) / np.count_nonzero(held)


def pixel_mask(objects: Objects, number: int, size: tuple[int, int]) -> np.ndarray:
    """The mask of an object in the image's own pixels.

    Args:
        number: of the object, from 0.
        size: width and height of the image, pixels.

    Returns:
        (height, width) bool, at least one pixel. Nothing of it lies outside the object's box,
        rounded outwards.
    """
    width, height = size
    mask = np.zeros((height, width), bool)
    x0, y0, x1, y1 = pixel_box(objects.boxes[number], size)
    # The other objects' slopes would reach over the border between them.
    own = (objects.labels == 0) | (objects.labels == objects.ids[number])
    side = len(objects.labels)
    region = np.array([x0 / width, y0 / height, x1 / width, y1 / height]) * side
    values = Image.fromarray(np.where(own, objects.shown, np.float32(0)))
    scaled = np.asarray(values.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, tuple(region)))
    # In an image smaller than the view a speck may fall below the threshold.
    mask[y0:y1, x0:x1] = scaled > min(objects.threshold, np.nextafter(scaled.max(), np.float32(-1)))
    return mask


def object_mask(objects: Objects, size: tuple[int, int]) -> np.ndarray:
    """The mask of a map: of its largest object, whose box is the map's. (height, width) bool."""
    if not len(objects.boxes):
        return np.zeros(size[::-1], bool)
    return pixel_mask(objects, 0, size)


def pixel_box(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box rounded outwards to whole pixels, at least one, in an image of width and height
    `size`."""
    low = np.floor(box[:2] + 1e-9).clip(0, np.array(size) - 1).astype(int)
    high = np.ceil(box[2:] - 1e-9).clip(low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
