"""Small tables to be scored: an index, boxes, ranked classes."""

from collections.abc import Iterable, Sequence

import pandas as pd

from isic.evaluation.scores import score

CORNERS = ["x0", "y0", "x1", "y1"]


def table(rows, columns=("image_id", *CORNERS)) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def boxes_of(*boxes: tuple) -> pd.DataFrame:
    """Boxes: number of the image, then the corners."""
    return table([(f"i{i}", *box) for i, *box in boxes])


def index_of(classes: Iterable[str], side: int = 256) -> pd.DataFrame:
    """Test images i0, i1, … of these classes."""
    return table(
        [(f"i{k}", "test", name, side, side) for k, name in enumerate(classes)],
        ("image_id", "split", "class", "width", "height"),
    )


def topk_of(*ranked: Sequence[str]) -> pd.DataFrame:
    """Each image's classes, best first."""
    rows = [(f"i{k}", *names) for k, names in enumerate(ranked)]
    return table(rows, ("image_id", *(f"class{k + 1}" for k in range(len(ranked[0])))))


def run(index, truth, boxes, crop_boxes, topk, **more) -> dict:
    names = {"model": "CAM", "backbone": "resnet50", "threshold": "fixed 0.2", "seed": 0}
    return score(index, truth, boxes, crop_boxes, topk, **names, **more)


def scored(index: pd.DataFrame, truth: pd.DataFrame, boxes: pd.DataFrame, **more) -> dict:
    """By protocol; the crop's boxes are the same, the classes right, but for what is given."""
    more = {"topk": topk_of(*index["class"]), "crop_boxes": boxes, **more}
    return run(index, truth, boxes, **more)["protocols"]


def gt_known(found: dict) -> list[float]:
    return [figures["gt_known"] for figures in found.values()]
