"""A run up to its pseudo-masks, one class of which is whole, one faint, one odd and one dead."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from networks import pictures
from PIL import Image

from isic.data.image import read
from isic.data.pack import load_images, pack
from isic.method.masks import write_masks
from isic.method.nmf import class_direction
from isic.settings.sections import Masks
from isic.storage.hdf5 import new_hdf5

CLASSES = ["cat", '<b>"x" & ü', "dead", "odd"]
EACH, SIDE, ARM = 12, 64, "lambda~1.0_gamma~0.3_seed~0"
THRESHOLDS = "one image at several thresholds"
N = 8  # channels


def features(rng: np.random.Generator, kind: str) -> np.ndarray:
    """(9, 9, N) float16: a blob in some channels; nothing where the class is dead."""
    y, x = np.mgrid[:9, :9]
    cy, cx, width = rng.uniform(3, 6), rng.uniform(3, 6), rng.uniform(1, 3)
    blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / width**2)[..., None]
    channels = np.zeros(N)
    channels[slice(6, 8) if kind == "odd" else slice(0, 6)] = 1
    return (0 * blob * channels if kind == "dead" else blob * channels + 1e-3).astype(np.float16)


def made(folder: Path, counts: Mapping[str, int]) -> Path:
    """A run up to its masks, in two shards of classes, as the workflow leaves it."""
    root, results = folder / "source", folder / "results/set"
    rng = np.random.default_rng(0)
    rows = []
    names = [(name, i) for name, count in counts.items() for i in range(count)]
    for image, (name, i) in zip(pictures(len(names), SIDE), names, strict=True):
        folder = root / name.replace("/", "")
        folder.mkdir(parents=True, exist_ok=True)
        size = (SIDE, SIDE // 2) if i % 2 else (SIDE, SIDE)
        Image.fromarray(image).resize(size).save(folder / f"{i}.png")
        rows.append((f"{name}/{i}.png", "train", name, *size))
    index = pd.DataFrame(rows, columns=["image_id", "split", "class", "width", "height"])
    index["digest"] = [read(root / image_id)[1] for image_id in index["image_id"]]
    (results / ARM).mkdir(parents=True)
    index.to_csv(results / "index.csv", index=False)
    packed = results / f"images~{SIDE}.h5"
    pack(index, root, packed, SIDE)
    for shard in (0, 1):
        part = index[index["class"].isin(list(counts)[2 * shard : 2 * shard + 2])]
        labels = part["class"].map(list(counts).index).to_numpy()
        paths = [results / ARM / kind / f"{shard}.h5" for kind in ("features", "directions")]
        with new_hdf5(paths[0], {}) as file, new_hdf5(paths[1], {"compress": 1.0}) as found:
            file["image_id"] = part["image_id"].to_numpy(object)
            file["label"] = labels
            file["features"] = np.stack([features(rng, name) for name in part["class"]])
            numbers = np.unique(labels)
            found["label"] = numbers
            found["direction"] = np.stack(
                [
                    class_direction(file["features"], np.flatnonzero(labels == c), "gram", 1.0)
                    for c in numbers
                ]
            )
            own = Masks()
            attributes = {"settings": json.dumps(dataclasses.asdict(own))}
            masks = results / ARM / "masks" / f"{shard}.h5"
            pixels = load_images(packed, index, np.isin(index["image_id"], part["image_id"]))
            write_masks(masks, pixels, file, found, own, attributes)
    return results / ARM
