"""Localisation scores under three named protocols: section 4.1 and `docs/protocol.md`.

| name       | view                               | overlap           | a hit |
| `crop`     | resize 256², centre crop 224²      | plain             | > 0.5 |
| `resize`   | resize 224², corners truncated     | +1 on both sides  | ≥ 0.5 |
| `original` | the original image                 | plain             | > 0.5 |

Every test image counts: one without a predicted box, or whose true box the crop removed, is a miss.
Of several true boxes the best overlap counts. GT-known Loc: the box hits. Top-k Loc: it hits and
the true class is among the recognizer's k best. CAM and NMF boxes are those of the true class; for
Top-1 Loc that is the predicted class's box too, since only images predicted right can score.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from isic.data.index import evaluated
from isic.errors import InputError
from isic.evaluation.statistics import outcomes_text
from isic.localization.boxes import (
    CORNERS,
    View,
    components,
    from_view,
    iou,
    read_maps,
    to_view,
    upsample,
)
from isic.storage.hdf5 import open_hdf5
from isic.storage.tables import read_csv

PROTOCOLS = ("crop", "resize", "original")
TRIVIAL = {"whole image": 1.0} | {f"centre box {s} %": s / 100 for s in (90, 80, 70, 60)}
NOTHING = "nothing to score: no boxes"
THRESHOLDS = np.arange(20) / 20  # of MaxBoxAcc, at the view's resolution: 0, 0.05 … 0.95
IOUS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2


@dataclass(frozen=True)
class Truth:
    """The evaluated images and their true boxes, in the order of the index."""

    image_id: pd.Index
    classes: np.ndarray  # (n,) str
    sizes: np.ndarray  # (n, 2) width, height, original pixels
    boxes: np.ndarray  # (m, 4) original pixels, grouped by image
    image: np.ndarray  # (m,) row of each box's image, ascending

    @classmethod
    def of(cls, index: pd.DataFrame, truth: pd.DataFrame) -> Truth:
        """From the index and truth tables. Only boxes of test images are taken: where a set has
        no test image its training images are evaluated, and nothing is scored on them.
        """
        images = index.iloc[evaluated(index)]
        image_id = pd.Index(images["image_id"])
        truth = truth[truth["image_id"].isin(image_id[images["split"] == "test"])]
        image = image_id.get_indexer(truth["image_id"])
        order = np.argsort(image, kind="stable")
        return cls(
            image_id,
            images["class"].to_numpy(str),
            images[["width", "height"]].to_numpy(float),
            truth[CORNERS].to_numpy(float)[order],
            image[order],
        )

    def __len__(self) -> int:
        return len(self.image_id)

    def rows(self, table: pd.DataFrame, name: str) -> np.ndarray:
        """Row of the test image of each row of `table`.

        Raises:
            InputError: an image is no test image, or comes twice.
        """
        rows = self.image_id.get_indexer(table["image_id"])
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
    first = np.searchsorted(truth.image, image, "left")
    count = np.searchsorted(truth.image, image, "right") - first
    mine = np.repeat(np.arange(len(image)), count)  # all pairs of a box and a true box
    theirs = np.arange(len(mine)) + np.repeat(first - (np.cumsum(count) - count), count)
    predicted, true = (
        in_protocol(some, truth.sizes[image[mine]], protocol, resize, crop)
        for some in (np.asarray(boxes, float)[mine], truth.boxes[theirs])
    )
    best = np.zeros(len(image))
    np.maximum.at(best, mine, iou(predicted, true, plus_one=protocol == "resize"))
    return best


def wilson(successes: float, n: int) -> list[float]:
    """Wilson's 95 % interval of a share, both ends in percent."""
    z2 = 1.959963984540054**2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return [100 * float(max(centre - half, 0.0)), 100 * float(min(centre + half, 1.0))]


def read_topk(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read `image_id, class1 … class5` of topk.csv, as many classes as there are, as str.

    Raises:
        InputError: the file is missing, or another.
    """
    return read_csv(path, ["image_id", "class1"], others=[f"class{k}" for k in range(2, 6)])


def _ranked(truth: Truth, topk: pd.DataFrame) -> dict[str, np.ndarray]:
    """Whether the true class is among the best of the recognizer, for `top1` and `top5`: (n,)."""
    rows = truth.rows(topk, "topk.csv")
    if len(rows) < len(truth):
        image = truth.image_id[np.setdiff1d(np.arange(len(truth)), rows)[0]]
        raise InputError(f"topk.csv: no row for {image}; make it again with `isic topk`")
    names = [name for name in (f"class{k}" for k in range(1, 6)) if name in topk]
    right = np.zeros((len(truth), len(names)), bool)
    right[rows] = topk[names].to_numpy(str) == truth.classes[rows, None]
    return {"top1": right[:, 0], "top5": right.any(1)}


def _figures(hit: np.ndarray, ranked: dict[str, np.ndarray]) -> dict[str, Any]:
    """The three figures of one protocol in percent, their intervals and each image's outcomes."""
    scored = {"gt_known": hit} | {f"{k}_loc": hit & right for k, right in ranked.items()}
    figures: dict[str, Any] = {"images": len(hit), "hits": int(hit.sum())}
    for name, per_image in scored.items():
        figures[name] = 100 * float(per_image.mean())
        figures[f"{name}_interval"] = wilson(int(per_image.sum()), len(per_image))
        figures[f"{name}_hits"] = outcomes_text(per_image)
    return figures


def _heading(truth: Truth, **names: Any) -> dict[str, Any]:
    heading = {**names, "source": "measured", "images": len(truth), "protocols": {}}
    unannotated = len(truth) - len(np.unique(truth.image))
    if not len(truth.boxes):
        heading["note"] = NOTHING
    elif unannotated:
        heading["note"] = f"{unannotated} test images have no true box and count as misses"
    return heading


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
    maps: str | os.PathLike[str] | None = None,
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
        maps: maps.h5, for `max_box_acc` and `max_box_acc_v2`, which choose their thresholds on the
            test boxes; they are oracles, and `oracles` says so beside them.

    Returns:
        `model`, `backbone`, `source`, `seed`, `lam`, `gamma`, `threshold`, `images` and
        `protocols`: for each its `gt_known`, `top1_loc`, `top5_loc` in percent, `…_interval`
        (Wilson, 95 %), `hits` and `images`. Without any true box `protocols` is empty and `note`
        says so.

    Raises:
        InputError: an unknown protocol, or tables that do not fit the index.
    """
    known = Truth.of(index, truth)
    names = {"model": model, "backbone": backbone, "seed": seed, "lam": lam, "gamma": gamma}
    result = _heading(known, **names, threshold=threshold)
    ranked = _ranked(known, topk)
    rows = {
        name: known.rows(table, f"{name}.csv")
        for name, table in (("boxes", boxes), ("crop_boxes", crop_boxes))
    }
    if not len(known.boxes):
        return result
    for protocol in protocols:
        name, table = ("crop_boxes", crop_boxes) if protocol == "crop" else ("boxes", boxes)
        hit = np.zeros(len(known), bool)
        predicted = table[CORNERS].to_numpy(float)
        overlaps = best_overlaps(predicted, rows[name], known, protocol, resize, crop)
        hit[rows[name]] = hits(overlaps, protocol)
        result["protocols"][protocol] = _figures(hit, ranked)
    if maps is not None:
        for protocol, figures in max_box_acc(known, maps, protocols, resize, crop).items():
            result["protocols"][protocol] |= figures
    return result


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
) -> list[dict[str, Any]]:
    """Score boxes that look at nothing: one result, as `score` gives, for each of `TRIVIAL`.

    Empty where there is no true box.
    """
    known = Truth.of(index, truth)
    if not len(known.boxes):
        return []
    ranked = _ranked(known, topk)
    results = []
    for model, side in TRIVIAL.items():
        result = _heading(known, model=model, backbone="none", seed=None, threshold="none")
        for protocol in protocols:
            boxes = trivial_boxes(known.sizes, side, protocol, resize, crop)
            image = np.arange(len(known))
            overlaps = best_overlaps(boxes, image, known, protocol, resize, crop)
            result["protocols"][protocol] = _figures(hits(overlaps, protocol), ranked)
        results.append(result)
    return results


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
    one must hit. Both know the test boxes: oracles, never to be compared with a threshold fixed
    beforehand.

    Returns:
        For each protocol `max_box_acc` and `max_box_acc_v2` in percent, their 95 % intervals
        (Wilson; bootstrap over images at the chosen thresholds) and these.
    """
    asked = {"crop": [], "full": []}
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
        "max_box_acc_v2_interval": _bootstrap(levels),
        "max_box_acc_v2_cuts": [float(thresholds[i]) for i in bests],
        "oracles": "max_box_acc and max_box_acc_v2 choose their cuts on the test boxes",
    }


def _bootstrap(levels: np.ndarray) -> list[float]:
    """95 % bootstrap interval over images of the mean of levels 0 … 3, in percent of 3."""
    counts = np.bincount(levels, minlength=len(IOUS) + 1)
    # Resampling images is drawing how many of them have each level.
    drawn = np.random.default_rng(0).multinomial(len(levels), counts / len(levels), 2000)
    means = drawn @ np.arange(len(counts)) / (len(levels) * len(IOUS))
    return [100 * float(end) for end in np.quantile(means, (0.025, 0.975))]


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
