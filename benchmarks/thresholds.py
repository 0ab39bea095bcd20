"""At which threshold maps give the best boxes, by training boxes: what `boxes` and `masks` rest on.

    python benchmarks/thresholds.py results/cub20 docs/results/thresholds.csv --crop 161 \
        --commit abc1234

Takes every arm of the finished run `results/DATA` (classifier, directions and segmenter) and the
whole images of its training set that have a true box. For each map, unit and threshold a row: the
number of `images`, the shares whose box hits at an IoU of 0.5 and 0.7, the mean IoU, the median
area of the box over the true one's, and hits and area by thirds of the object's share of the image
(`small`, `medium`, `large`). Rows of the same data set are replaced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from isic.data.index import class_ids, read_index, read_truth
from isic.data.pack import load_images
from isic.localization.boxes import CORNERS, View, boxes_from_maps, from_view, iou
from isic.localization.maps import cam, contrast, localisation_maps, nmf, segmenter
from isic.method.projection import read_directions
from isic.networks.files import load_network

SHARES = (0.25, 0.3, 0.35, 0.37, 0.4, 0.45, 0.5)
THRESHOLDS = {
    "contrast": SHARES,
    "map's mean": (0.8, 1.0, 1.2, 1.4),
    "class's mean": (1.1, 1.25, 1.4, 1.55),
    "sigmoid": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
}


def figures(boxes: np.ndarray, found: np.ndarray, truth: list[np.ndarray], share: np.ndarray):
    """What a threshold's boxes are worth.

    Args:
        boxes: (k, 4) original pixels, of the images `found` (k,); the others have none.
        truth: of each image, (m, 4).
        share: (n,) of the image that its first true box covers.
    """
    overlap, area = np.zeros(len(truth)), np.full(len(truth), np.nan)
    for box, image in zip(boxes, found, strict=True):
        overlaps = iou(box[None], truth[image])
        true = truth[image][overlaps.argmax()]
        overlap[image] = overlaps.max()
        area[image] = np.prod(box[2:] - box[:2]) / np.prod(true[2:] - true[:2])
    third = np.digitize(share, np.quantile(share, (1 / 3, 2 / 3)))
    row = {"images": len(truth), "hits": 100 * (overlap > 0.5).mean()}
    row |= {"hits at 0.7": 100 * (overlap > 0.7).mean(), "mean IoU": 100 * overlap.mean()}
    row["area"] = np.nanmedian(area)
    for k, name in enumerate(("small", "medium", "large")):
        row[name] = 100 * (overlap[third == k] > 0.5).mean()
        row[f"area, {name}"] = np.nanmedian(area[third == k])
    return {name: round(float(value), 2) for name, value in row.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--crop", type=int, required=True, help="images.crop")
    parser.add_argument("--commit", required=True)
    asked = parser.parse_args()

    index = read_index(asked.run / "index.csv")
    boxes = {
        image: own[CORNERS].to_numpy(float)
        for image, own in read_truth(asked.run / "truth.csv").groupby("image_id")
    }
    scored = (index["split"] == "train") & index["image_id"].isin(list(boxes))
    rows = np.flatnonzero(scored)
    truth = [boxes[image] for image in index["image_id"].iloc[rows]]
    sizes = index[["width", "height"]].to_numpy(float)[rows]
    share = np.array([np.prod(own[0, 2:] - own[0, :2]) for own in truth]) / sizes.prod(1)
    labels = class_ids(index)[rows]
    (packed,) = asked.run.glob("images~*.h5")
    images = load_images(packed, index, scored.to_numpy())
    side = asked.crop

    def of_class(maps: np.ndarray) -> np.ndarray:
        means = [maps[labels == label].mean() for label in labels]
        return maps / np.array(means)[:, None, None]

    table = []
    for arm in sorted(asked.run.glob("lambda~*_seed~*/")):
        if not (arm / "classifier.safetensors").exists():
            continue
        network, _ = load_network(arm / "classifier.safetensors", fused=True)
        kinds = {"CAM": (network, cam(network, labels), 1.0)}
        if shards := sorted(arm.glob("directions/*.h5")):
            vectors, compress = read_directions(shards, network.head.out_channels)
            kinds["NMF"] = network, nmf(network, vectors, compress, labels), compress
        if (arm / "segmenter.safetensors").exists():
            taught, _ = load_network(arm / "segmenter.safetensors", outputs=1, fused=True)
            kinds["segmenter"] = taught, segmenter(taught), None
        parts = dict(part.split("~") for part in arm.name.split("_"))
        for kind, (model, function, compress) in kinds.items():
            maps = localisation_maps(
                *(model, images, function),
                side=side,
                view="full",
                mirrored=compress is not None,
                precision="bf16",
            )
            if compress is None:
                units = {"sigmoid": maps}
            else:
                units = {"contrast": contrast(maps, compress)}
                own = maps.mean((1, 2), keepdims=True).clip(1e-9)
                units |= {"map's mean": maps / own} if kind == "CAM" else {}
                units |= {"class's mean": of_class(maps)} if kind == "NMF" else {}
            for unit, values in units.items():
                for threshold in THRESHOLDS[unit]:
                    found = boxes_from_maps(values, threshold, (side, side))
                    placed = from_view(found.boxes, sizes[found.map], View(side))
                    table.append(
                        {"data": asked.run.name, "lam": parts["lambda"], "seed": parts["seed"]}
                        | {"map": kind, "unit": unit, "threshold": threshold}
                        | figures(placed, found.map, truth, share)
                        | {"commit": asked.commit}
                    )
        print(arm.name, flush=True)
    new = pd.DataFrame(table)
    if asked.table.exists():
        old = pd.read_csv(asked.table, dtype=str)
        new = pd.concat([old[old["data"] != asked.run.name], new.astype(str)], ignore_index=True)
    new.to_csv(asked.table, index=False)


if __name__ == "__main__":
    main()
