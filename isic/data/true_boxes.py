"""What can be wrong with true boxes, told for all of a table at once."""

from __future__ import annotations

import numpy as np

EDGE = 0.05  # share of an image's side by which a box may reach over its edge, to be clipped
MANY = 8  # boxes from which on their common place tells something of how they were written

NOT_FINITE = "the box is not made of four finite numbers"
SHARES = (
    "the corners are shares of the image (0 … 1), no pixels: multiply xmin and xmax by width, "
    "ymin and ymax by height"
)
CENTRES = (
    "the numbers are shares of the image (0 … 1) as YOLO has them, the box's centre and size: "
    "xmin = (centre x - size x / 2) * width, xmax = (centre x + size x / 2) * width, and likewise "
    "ymin and ymax with height"
)
EMPTY = "the box is empty (an image without an object has no row)"
SPECK = "the box is smaller than a pixel"
OUTSIDE = "the box lies outside its image"
OFFSETS = "as x, y, width and height all rows fit: then xmax = xmin + width, ymax = ymin + height"


def box_faults(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """What is wrong with each box, in words, or "": (n,) str.

    A box may reach over its image's edge by less than a pixel, or by `EDGE` of the image's side.

    Args:
        boxes: (n, 4) float x0, y0, x1, y1, pixels of the upright image, x1 and y1 exclusive.
        sizes: (n, 2) width and height of each box's image.
    """
    limits = np.hstack([sizes, sizes])
    slack = np.maximum(1, EDGE * limits)
    size = boxes[:, 2:] - boxes[:, :2]
    within = np.clip(boxes, 0, limits)
    finite = np.isfinite(boxes).all(1)
    within_1 = ((boxes >= 0) & (boxes <= 1)).all(1)
    shares = np.asarray(within_1 & boxes.any(1) & (sizes > 1).any(1))
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    fits = (centre - half >= -EDGE) & (centre + half <= 1 + EDGE) & (half > 0)
    # One box whose second corner lies before its first tells how all of them were written.
    yolo = fits[shares].all() and (size[shares] <= 0).any()
    kinds = (
        (NOT_FINITE, ~finite),
        (CENTRES if yolo else SHARES, shares),
        (EMPTY, (size <= 0).any(1)),
        (OUTSIDE, ((boxes <= -slack) | (boxes >= limits + slack)).any(1)),
        (OUTSIDE, (within[:, 2:] <= within[:, :2]).any(1)),
        (SPECK, (size < 1).any(1)),
    )
    return np.select([wrong for _, wrong in kinds], [kind for kind, _ in kinds], "")


def may_be_offsets(boxes: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether the boxes are likely x, y, width, height: all of several fit their images so.

    As corners all of them would have their centres in the upper left quarter.
    """
    ends = boxes[:, :2] + boxes[:, 2:]
    fit = (ends <= sizes + np.maximum(1, EDGE * sizes)).all() and (boxes[:, 2:] > 0).all()
    return bool(fit and len(boxes) >= MANY and (ends < sizes - 1).all(1).mean() > 0.5)


def overreach(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Pixels by which each box reaches over the edge of its image: (n,) float, ≥ 0."""
    limits = np.hstack([sizes, sizes])
    return np.maximum(-boxes, boxes - limits).max(1, initial=0).clip(min=0)
