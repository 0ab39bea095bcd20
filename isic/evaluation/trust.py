"""How far to trust what labels alone have taught: pseudo-masks, directions, confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.localization.boxes import CORNERS, iou

WHOLE = 0.95  # object share above which a pseudo-mask says nothing but "all of it"
MANY = 0.05  # share of such masks, or of empty ones, that is worth a warning
UNLIKE = 0.3  # cosine of a class's direction with the others'; in good runs 0.48 and more


def likeness(directions: np.ndarray) -> np.ndarray:
    """Cosine of each class's direction (C, N) with the mean of the other classes' unit directions.

    Returns:
        (C,) float in 0 … 1; 0 for a direction of zeros, else nan where no other class has one.
    """
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = np.divide(directions, length, out=np.zeros_like(directions), where=length > 0)
    others = unit.sum(0) - unit
    length = np.linalg.norm(others, axis=1)
    along = (unit * others).sum(1)
    alone = np.where(unit.any(1), np.nan, 0.0)
    return np.divide(along, length, out=alone, where=length > 0)


def class_table(
    names: Sequence[str], labels: np.ndarray, shares: np.ndarray, cosines: np.ndarray
) -> pd.DataFrame:
    """What there is to know of each class's pseudo-masks: a row a class.

    Args:
        names: of the classes.
        labels: (n,) int, the class of each mask.
        shares: (n,) float, the object's share of each mask.
        cosines: (C,) float, see `likeness`.

    Returns:
        Columns class, masks, share (median), empty, whole (shares of the masks), cosine, warnings
        (a list of texts).
    """
    rows = []
    for number, name in enumerate(names):
        own = shares[labels == number]
        empty, whole = float((own == 0).mean()), float((own > WHOLE).mean())
        warnings = [
            f"{share:.0%} of its pseudo-masks {what}"
            for share, what in ((empty, "are empty"), (whole, "take the whole image for object"))
            if share > MANY
        ]
        if cosines[number] < UNLIKE:
            warnings.append(
                f"its direction is unlike the other classes' (cosine {cosines[number]:.2f}): "
                "its maps may show something else than the object"
            )
        rows.append(
            (name, len(own), float(np.median(own)), empty, whole, cosines[number], warnings)
        )
    columns = ["class", "masks", "share", "empty", "whole", "cosine", "warnings"]
    return pd.DataFrame(rows, columns=columns)


def confidence_and_hits(
    index: pd.DataFrame, truth: pd.DataFrame, boxes: pd.DataFrame
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By split, each image's confidence and whether its box has IoU > 0.5 with a true one.

    Args:
        index, truth: as of `isic.data.index`; images without a true box do not count.
        boxes: `image_id, x0, y0, x1, y1, confidence`, of each image the first row counts.

    Returns:
        For each split with true boxes (n,) float, −1 where nothing was found, and (n,) bool.

    Raises:
        InputError: there is no true box.
    """
    scored = index[index["image_id"].isin(truth["image_id"])]
    if not len(scored):
        raise InputError("risk-coverage: no image has a true box, so nothing can be scored.")
    first = boxes.drop_duplicates("image_id").set_index("image_id")
    true = truth[truth["image_id"].isin(first.index)]
    predicted = first.loc[true["image_id"], CORNERS].to_numpy(float)
    overlaps = pd.Series(iou(predicted, true[CORNERS].to_numpy(float)), true["image_id"])
    best = overlaps.groupby(level=0).max()
    confidence = first["confidence"].reindex(scored["image_id"]).fillna(-1.0).to_numpy(float)
    hits = best.reindex(scored["image_id"]).to_numpy(float) > 0.5  # false where nothing was found
    parts = {str(split): scored["split"].to_numpy() == split for split in scored["split"].unique()}
    return {split: (confidence[own], hits[own]) for split, own in parts.items()}


def risk_coverage(confidence: np.ndarray, hits: np.ndarray) -> pd.DataFrame:
    """Share of misses among the most confident images, by how many of them are kept.

    Args:
        confidence: (n,) float, an image's; any finite number below all others where nothing was
            found.
        hits: (n,) bool, whether its box has IoU > 0.5 with a true one.

    Returns:
        Columns kept (images), coverage (their share), confidence (the least that is kept), risk
        (share of misses among them): a row a different confidence, falling.
    """
    order = np.argsort(-confidence, kind="stable")
    kept = np.arange(1, len(order) + 1)
    table = pd.DataFrame(
        {
            "kept": kept,
            "coverage": kept / len(order),
            "confidence": confidence[order],
            "risk": 1 - np.cumsum(hits[order]) / kept,
        }
    )
    # Images of equal confidence are kept together or not at all.
    return table.drop_duplicates("confidence", keep="last").reset_index(drop=True)


def halves(confidence: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
    """Share of hits among the more confident half of two or more images, and among the rest."""
    order = np.argsort(-confidence, kind="stable")
    half = len(order) // 2
    return float(hits[order[:half]].mean()), float(hits[order[half:]].mean())
