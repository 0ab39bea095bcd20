"""The protocols under which boxes are compared: section 4.1 and `docs/protocol.md`.

| name       | view                               | overlap           | a hit |
| `crop`     | resize 256², centre crop 224²      | plain             | > 0.5 |
| `resize`   | resize 224², corners truncated     | +1 on both sides  | ≥ 0.5 |
| `original` | the original image                 | plain             | > 0.5 |

An image without a predicted box, or whose true box the crop removed, is a miss. Of several true
boxes the best overlap counts. Where there are no test images, training images are scored. Images
without any true box are left out, or misses too, as the setting `without_box` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from isic.data.index import evaluated
from isic.errors import InputError
from isic.localization.boxes import CORNERS, View, iou, to_view

PROTOCOLS = ("crop", "resize", "original")


@dataclass(frozen=True)
class Truth:
    """The evaluated images and their true boxes, in the order of the index."""

    split: str  # `test`, or `train` where there is no test image

    image_id: pd.Index
    classes: np.ndarray  # (n,) str
    sizes: np.ndarray  # (n, 2) width, height, original pixels
    boxes: np.ndarray  # (m, 4) original pixels, grouped by image
    image: np.ndarray  # (m,) row of each box's image, ascending

    @classmethod
    def of(cls, index: pd.DataFrame, truth: pd.DataFrame) -> Truth:
        """From the index and truth tables; boxes of other images do not matter."""
        images = index.iloc[evaluated(index)]
        image_id = pd.Index(images["image_id"])
        truth = truth[truth["image_id"].isin(image_id)]
        image = image_id.get_indexer(truth["image_id"])
        order = np.argsort(image, kind="stable")
        return cls(
            str(images["split"].iloc[0]),
            image_id,
            images["class"].to_numpy(str),
            images[["width", "height"]].to_numpy(float),
            truth[CORNERS].to_numpy(float)[order],
            image[order],
        )

    def __len__(self) -> int:
        return len(self.image_id)

    def scored(self, without_box: str) -> np.ndarray:
        """Which images count: (n,) bool; all for `miss`, for `skip` those with a true box."""
        boxed = np.bincount(self.image, minlength=len(self)) > 0
        return boxed if without_box == "skip" else np.ones(len(self), bool)

    def rows(self, table: pd.DataFrame, name: str) -> np.ndarray:
        """Row of the test image of each row of `table`.

        Raises:
            InputError: an image is no test image, or comes twice.
        """
        rows = self.image_id.get_indexer(pd.Index(table["image_id"]))
        for bad, what in ((rows < 0, "no test image"), (table["image_id"].duplicated(), "twice")):
            if bad.any():
                image = table["image_id"].to_numpy()[np.argmax(bad)]
                raise InputError(f"{name}: {image} is there, {what}: make {name} from this index")
        return rows


def in_protocol(
    boxes: np.ndarray, sizes: np.ndarray, protocol: str, resize: int = 256, crop: int = 224
) -> np.ndarray:
    """Boxes (n, 4) in original pixels as a protocol compares them.

    `crop`: pixels of the centre crop, clipped to it. `resize`: wsolevaluation's integers, the
    corners in pixels of the `crop`² resized image, truncated, at most `crop` - 1; exclusive x1
    and y1 are used as they stand, as that tool does with its contours. `original`: unchanged.

    Args:
        sizes: (n, 2) width and height of each box's image, original pixels.

    Raises:
        InputError: the protocol is none of the three.
    """
    if protocol == "crop":
        return to_view(boxes, sizes, View(resize, crop))
    if protocol == "resize":
        # 6 decimals: 31.999999999 from a division is 32.
        scaled = np.round(to_view(boxes, sizes, View(crop)), 6)
        return np.minimum(np.trunc(scaled), crop - 1)
    if protocol == "original":
        return np.asarray(boxes, float)
    raise InputError(f"protocol `{protocol}` is unknown: use {', '.join(PROTOCOLS)}")


def hits(overlaps: np.ndarray, protocol: str, least: float = 0.5) -> np.ndarray:
    """Whether overlaps suffice: > `least`, for `resize` ≥ `least`."""
    return overlaps >= least if protocol == "resize" else overlaps > least


def best_overlaps(
    boxes: np.ndarray,
    image: np.ndarray,
    truth: Truth,
    protocol: str,
    resize: int = 256,
    crop: int = 224,
) -> np.ndarray:
    """For each predicted box, its overlap with the true box of its image that it fits best.

    Args:
        boxes: (k, 4) original pixels.
        image: (k,) row of each box's test image, in any order, any number of boxes an image.

    Returns:
        (k,) float64 in 0 … 1; 0 where the image has no true box.
    """
    mine, predicted, true = _pairs(boxes, image, truth, protocol, resize, crop)
    best = np.zeros(len(image))
    np.maximum.at(best, mine, iou(predicted, true, plus_one=protocol == "resize"))
    return best


def area_ratios(
    boxes: np.ndarray,
    image: np.ndarray,
    truth: Truth,
    protocol: str,
    resize: int = 256,
    crop: int = 224,
) -> np.ndarray:
    """Area of each predicted box as a multiple of that of the true box which it fits best.

    Arguments as in `best_overlaps`.

    Returns:
        (j,) float64 ≥ 0, of the boxes whose image has a true box that the crop left something of.
    """
    mine, predicted, true = _pairs(boxes, image, truth, protocol, resize, crop)
    more = protocol == "resize"
    order = np.lexsort((-iou(predicted, true, plus_one=more), mine))
    best = order[np.unique(mine[order], return_index=True)[1]]
    own, others = ((some[best, 2:] - some[best, :2] + more).prod(1) for some in (predicted, true))
    return own[others > 0] / others[others > 0]


def _pairs(
    boxes: np.ndarray, image: np.ndarray, truth: Truth, protocol: str, resize: int, crop: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of a predicted and a true box of its image: the number of the predicted one, and
    both as the protocol compares them."""
    first = np.searchsorted(truth.image, image, "left")
    count = np.searchsorted(truth.image, image, "right") - first
    mine = np.repeat(np.arange(len(image)), count)  # all pairs of a box and a true box
    theirs = np.arange(len(mine)) + np.repeat(first - (np.cumsum(count) - count), count)
    predicted, true = (
        in_protocol(some, truth.sizes[image[mine]], protocol, resize, crop)
        for some in (np.asarray(boxes, float)[mine], truth.boxes[theirs])
    )
    return mine, predicted, true
