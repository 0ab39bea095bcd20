"""Scores of a run's boxes: GT-known, Top-1 and Top-5 Loc under the three protocols, section 4.1.

And of its masks, where the data set has true ones (`isic.evaluation.true_masks`).

GT-known Loc: the box hits. Top-k Loc: it hits and the true class is among the recognizer's k best.
CAM and NMF boxes are those of the true class; for Top-1 Loc that is the predicted class's box too,
since only images predicted right can score.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.evaluation.oracles import max_box_acc
from isic.evaluation.protocols import PROTOCOLS, Truth, area_ratios, best_overlaps, hits
from isic.evaluation.statistics import outcomes_text, wilson
from isic.evaluation.true_masks import mask_figures
from isic.localization.boxes import CORNERS
from isic.settings.sections import Scores
from isic.storage.tables import read_csv

NOTHING = "nothing to score: no boxes"
WORDS = {"test": "test", "train": "training"}
TRAINED = (
    "there are no test images: scored are the training images, whose classes the networks have "
    "learned"
)


def read_topk(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read `image_id, class1 … class5` of topk.csv, as many classes as there are, as str.

    Raises:
        InputError: the file is missing, or another.
    """
    return read_csv(path, ["image_id", "class1"], others=[f"class{k}" for k in range(2, 6)])


def score(
    index: pd.DataFrame,
    truth: pd.DataFrame,
    boxes: pd.DataFrame,
    crop_boxes: pd.DataFrame,
    topk: pd.DataFrame,
    *,
    model: str,
    backbone: str,
    threshold: str,
    seed: int | None = None,
    lam: float | None = None,
    gamma: float | None = None,
    protocols: Sequence[str] = PROTOCOLS,
    resize: int = 256,
    crop: int = 224,
    without_box: str = Scores.without_box,
    maps: str | os.PathLike[str] | None = None,
    fixed: float | None = None,
    masks: Mapping[str, bytes] | None = None,
    workers: int = 1,
) -> dict[str, Any]:
    """Score one run's boxes: the content of scores.json.

    Args:
        index, truth: the tables of the data set; an image may have several true boxes.
        boxes, crop_boxes: predictions in original pixels from the full view (for `resize` and
            `original`) and from the centre crop (for `crop`), at most one an image.
        topk: `class1` … `class5` of every test image, best first.
        threshold: the rule that chose it, in words.
        lam, gamma: λ and γ of the network's training, where it had any.
        resize, crop: pixels of the resized image and of its centre crop.
        without_box: `skip` leaves out images without a true box, `miss` counts them as misses.
        maps: maps.h5, for `max_box_acc` and the like (`isic.evaluation.oracles`), which choose
            their thresholds on the test boxes; they are oracles, and `oracles` says so beside them.
        fixed: the threshold of `boxes`, in the unit of the maps, for the oracles to try, too, and
            of the masks.
        masks: true masks by image, for the figures of `mask_figures`; they need `maps` and `fixed`.
        workers: threads; the result does not depend on it.

    Returns:
        `model`, `backbone`, `source`, `seed`, `lam`, `gamma`, `threshold`; how many `images` are
        scored, of which `split`, and how many are `without_box`, with a `note` where there is
        something to say; and `protocols`: for each its `gt_known`, `top1_loc`, `top5_loc` in
        percent, `…_interval` (Wilson, 95 %), `hits` and `images`; `mean_iou` of the boxes and
        `gt_known_70`, hits at IoU 0.7, in percent; `area_ratio`, the median of the boxes' areas as
        multiples of the true ones'; and those of `mask_figures`. Without any true box `protocols`
        is empty.

    Raises:
        InputError: an unknown protocol, or tables that do not fit the index.
    """
    known = Truth.of(index, truth)
    names = {"model": model, "backbone": backbone, "seed": seed, "lam": lam, "gamma": gamma}
    result = empty_result(known, without_box, **names, threshold=threshold)
    counted = known.scored(without_box)
    ranked = recognized(known, topk)
    rows = {
        name: known.rows(table, f"{name}.csv")
        for name, table in (("boxes", boxes), ("crop_boxes", crop_boxes))
    }
    if not len(known.boxes):
        return result
    for protocol in protocols:
        name, table = ("crop_boxes", crop_boxes) if protocol == "crop" else ("boxes", boxes)
        result["protocols"][protocol] = protocol_figures(
            *(table[CORNERS].to_numpy(float), rows[name], known, protocol, resize, crop),
            ranked=ranked,
            counted=counted,
        )
    if maps is not None:
        oracles = max_box_acc(
            *(known, maps, protocols, resize, crop),
            counted=counted,
            threshold=fixed,
            workers=workers,
        )
        for protocol, figures in oracles.items():
            result["protocols"][protocol] |= figures
    if masks and maps is not None and fixed is not None:
        masked = mask_figures(known, masks, maps, fixed, protocols, workers=workers)
        for protocol, figures in masked.items():
            result["protocols"][protocol] |= figures
        if lacking := len(known) - sum(image_id in masks for image_id in known.image_id):
            note = f"{lacking} of {len(known)} {WORDS[known.split]} images have no true mask"
            note += " and are left out of the masks' figures"
            result["note"] = "; ".join([*filter(None, [result.get("note")]), note])
    return result


def recognized(truth: Truth, topk: pd.DataFrame) -> dict[str, np.ndarray]:
    """Whether the true class is among the best of the recognizer, for `top1` and `top5`: (n,)."""
    rows = truth.rows(topk, "topk.csv")
    if len(rows) < len(truth):
        image = truth.image_id[np.setdiff1d(np.arange(len(truth)), rows)[0]]
        raise InputError(f"topk.csv: no row for {image}; make it again with `isic topk`")
    names = [name for name in (f"class{k}" for k in range(1, 6)) if name in topk]
    right = np.zeros((len(truth), len(names)), bool)
    right[rows] = topk[names].to_numpy(str) == truth.classes[rows, None]
    return {"top1": right[:, 0], "top5": np.asarray(right.any(1))}


def protocol_figures(
    boxes: np.ndarray,
    image: np.ndarray,
    truth: Truth,
    protocol: str,
    resize: int,
    crop: int,
    *,
    ranked: dict[str, np.ndarray],
    counted: np.ndarray,
) -> dict[str, Any]:
    """The figures of one protocol, their intervals and each image's outcomes, see `score`.

    Args:
        boxes, image: (k, 4) original pixels, and (k,) the row of each box's image, at most one an
            image.
        ranked: as `recognized` gives it.
        counted: (n,) bool, whether an image is scored.
    """
    view = image, truth, protocol, resize, crop
    overlap, hit, strict = (np.zeros(len(truth), kind) for kind in (float, bool, bool))
    overlap[image] = best_overlaps(boxes, *view)
    hit[image] = hits(overlap[image], protocol)
    strict[image] = hits(overlap[image], protocol, 0.7)
    ratios = area_ratios(boxes, *view)
    scored = {"gt_known": hit} | {f"{k}_loc": hit & right for k, right in ranked.items()}
    scored = {name: per_image[counted] for name, per_image in scored.items()}
    figures: dict[str, Any] = {"images": int(counted.sum()), "hits": int(hit[counted].sum())}
    figures |= {
        "mean_iou": 100 * float(overlap[counted].mean()),
        "gt_known_70": 100 * float(strict[counted].mean()),
        "area_ratio": float(np.median(ratios)) if len(ratios) else None,
    }
    for name, per_image in scored.items():
        figures[name] = 100 * float(per_image.mean())
        figures[f"{name}_interval"] = wilson(int(per_image.sum()), len(per_image))
        figures[f"{name}_hits"] = outcomes_text(per_image)
    return figures


def empty_result(truth: Truth, without_box: str, **names: Any) -> dict[str, Any]:
    """A result before anything is scored: `names`, how many images, and a note on their boxes."""
    lacking = len(truth) - int(truth.scored("skip").sum())
    images = int(truth.scored(without_box).sum()) if len(truth.boxes) else len(truth)
    result = {**names, "source": "measured", "images": images, "split": truth.split}
    result |= {"without_box": lacking, "protocols": {}}
    notes = []
    if not len(truth.boxes):
        notes.append(NOTHING)
    else:
        if truth.split == "train":
            notes.append(TRAINED)
        if lacking:
            what = "are left out" if without_box == "skip" else "count as misses"
            notes.append(
                f"{lacking} of {len(truth)} {WORDS[truth.split]} images have no true box and "
                f"{what} (setting scores.without_box)"
            )
    return result | ({"note": "; ".join(notes)} if notes else {})
