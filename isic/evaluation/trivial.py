"""Scores of boxes that look at nothing: the whole image, and centred boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from isic.evaluation.protocols import PROTOCOLS, Truth
from isic.evaluation.scores import empty_result, protocol_figures, recognized
from isic.localization.boxes import View, from_view
from isic.settings.sections import Scores

TRIVIAL = {"whole image": 1.0} | {f"centre box {s} %": s / 100 for s in (90, 80, 70, 60)}


def trivial_boxes(
    sizes: np.ndarray, side: float, protocol: str, resize: int = 256, crop: int = 224
) -> np.ndarray:
    """Centred boxes of `side` (share of the side of the protocol's view), (n, 4) original pixels.

    Args:
        sizes: (n, 2) width and height of each image, original pixels.
    """
    view = View(resize, crop) if protocol == "crop" else View(crop)
    margin = view.side * (1 - side) / 2
    box = np.array([margin, margin, view.side - margin, view.side - margin])
    return from_view(np.broadcast_to(box, (len(sizes), 4)), sizes, view)


def score_trivial(
    index: pd.DataFrame,
    truth: pd.DataFrame,
    topk: pd.DataFrame,
    *,
    protocols: Sequence[str] = PROTOCOLS,
    resize: int = 256,
    crop: int = 224,
    without_box: str = Scores.without_box,
) -> list[dict[str, Any]]:
    """Score boxes that look at nothing: one result, as `score` gives, for each of `TRIVIAL`.

    Empty where there is no true box.
    """
    known = Truth.of(index, truth)
    if not len(known.boxes):
        return []
    ranked, counted = recognized(known, topk), known.scored(without_box)
    names = {"backbone": "none", "seed": None, "threshold": "none"}
    results = []
    for model, side in TRIVIAL.items():
        result = empty_result(known, without_box, model=model, **names)
        for protocol in protocols:
            boxes = trivial_boxes(known.sizes, side, protocol, resize, crop)
            found = boxes, np.arange(len(known)), known, protocol, resize, crop
            result["protocols"][protocol] = protocol_figures(*found, ranked=ranked, counted=counted)
        results.append(result)
    return results
