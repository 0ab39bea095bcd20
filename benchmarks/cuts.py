"""Where maps are best cut, by training boxes: what `boxes` of config.yaml was chosen with.

    python benchmarks/cuts.py results/cub20 docs/results/cuts.csv --crop 161 --commit abc1234

Takes every arm of the finished run `results/DATA` (classifier, directions and segmenter), maps of
the training images, and for each cut the number of them whose box has an IoU above 0.5 with a true
one: rows `data, map, view, cut, lam, gamma, seed, hits, images, commit`. Rows of the same data set
are replaced. cuts_mean.csv beside it has the shares by which a cut is chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from isic.data.index import class_ids, read_index, read_truth, trained
from isic.data.pack import load_images
from isic.evaluation.protocols import Truth, best_overlaps, hits
from isic.localization.boxes import View, components, from_view
from isic.localization.interpolation import upsample
from isic.localization.maps import cam, in_unit, localisation_maps, nmf, segmenter
from isic.method.projection import read_directions
from isic.networks.files import load_network

CUTS = {
    "fused_cam": (0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0),
    "nmf": (0.8, 1.0, 1.1, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.75, 2.0),
    "segmenter": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
}


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Shares in percent by map and cut, mean over views and seeds: of each set and λ, and of all.

    Sets and both λ count alike, however many images and seeds they have.
    """
    table = table.assign(lam=table["lam"].astype(float))
    table["share"] = 100 * table["hits"] / table["images"]
    each = table.groupby(["map", "data", "lam", "cut"])["share"].mean().reset_index()
    all_sets = each.groupby(["map", "cut"])["share"].mean().reset_index().assign(data="all")
    rows = pd.concat([each, all_sets], ignore_index=True)[["map", "data", "lam", "cut", "share"]]
    return rows.round({"share": 1})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--crop", type=int, required=True, help="images.crop")
    parser.add_argument("--commit", required=True)
    asked = parser.parse_args()

    index = read_index(asked.run / "index.csv")
    train = trained(index)
    seen = index.iloc[train].assign(split="test")  # `Truth` takes boxes of test images alone
    truth = Truth.of(seen, read_truth(asked.run / "truth.csv"))
    labels = class_ids(index)[train]
    (packed,) = asked.run.glob("images~*.h5")
    images = load_images(packed, index, train)
    resize, side = images.shape[1], asked.crop

    def hit(maps: np.ndarray, view: str, cut: float) -> int:
        what = View(side) if view == "full" else View(resize, side)
        found = components(maps > np.float32(cut))
        rows = found.mask[found.largest()]
        boxes = from_view(found.boxes[found.largest()], truth.sizes[rows], what)
        protocol = "original" if view == "full" else "crop"
        overlaps = best_overlaps(boxes, rows, truth, protocol, resize, side)
        return int(hits(overlaps, protocol).sum())

    found = []
    for arm in sorted(asked.run.glob("lambda~*_seed~*/")):
        if not (arm / "classifier.safetensors").exists():
            continue
        parts = dict(part.split("~") for part in arm.name.split("_"))
        network, _ = load_network(arm / "classifier.safetensors", fused=True)
        functions = {"fused_cam": (network, cam(network, labels))}
        if shards := sorted(arm.glob("directions/*.h5")):
            directions = read_directions(shards, network.head.out_channels)
            functions["nmf"] = network, nmf(network, *directions, labels)
        if (arm / "segmenter.safetensors").exists():
            taught, _ = load_network(arm / "segmenter.safetensors", outputs=1, fused=True)
            functions["segmenter"] = taught, segmenter(taught)
        for name, (model, function) in functions.items():
            for view in ("full", "crop"):
                maps = localisation_maps(
                    model, images, function, side=side, view=view, precision="bf16"
                )
                maps = in_unit(maps, "mean") if name == "fused_cam" else maps
                maps = upsample(maps, (side, side))
                found += [
                    {"data": asked.run.name, "map": name, "view": view, "cut": cut}
                    | {"lam": parts["lambda"], "gamma": parts.get("gamma"), "seed": parts["seed"]}
                    | {"hits": hit(maps, view, cut), "images": len(truth), "commit": asked.commit}
                    for cut in CUTS[name]
                ]
        print(arm.name, flush=True)
    new = pd.DataFrame(found)
    if asked.table.exists():
        old = pd.read_csv(asked.table, dtype={"lam": str, "gamma": str, "seed": str})
        new = pd.concat([old[old["data"] != asked.run.name], new], ignore_index=True)
    asked.table.parent.mkdir(parents=True, exist_ok=True)
    new.to_csv(asked.table, index=False)
    means(new).to_csv(asked.table.with_name(f"{asked.table.stem}_mean.csv"), index=False)


if __name__ == "__main__":
    main()
