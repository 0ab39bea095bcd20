"""Seconds in which the boxes and maps of a whole test set are scored, as `isic scores` does it.

    python benchmarks/scores.py [--images 5794] [--crop 225] [--workers 2] [--masks]

Draws smooth maps with a peak near the object and others beside it, shares of their own contrast as
the fused CAM's, and a true box and, with --masks, a true mask an image. Prints seconds, images a
second and figures.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from scipy import ndimage

from isic.evaluation.scores import score
from isic.localization.boxes import CORNERS, extract
from isic.localization.maps import contrast

THRESHOLD = 0.37


def drawn_maps(n: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Maps float16 (n, side, side), and the true boxes as shares of the image: (n, 4)."""
    low = rng.uniform(0.05, 0.4, (n, 2))
    boxes = np.hstack([low, low + rng.uniform(0.3, 0.55, (n, 2))])
    grid = np.linspace(0, 1, side)
    x0, y0, x1, y1 = boxes.T[:, :, None]
    across, down = (((grid >= a) & (grid <= b)).astype(float) for a, b in ((x0, x1), (y0, y1)))
    noise = ndimage.gaussian_filter(rng.random((n, side, side)), (0, 1.2, 1.2)) - 0.35
    smooth = ndimage.gaussian_filter(down[:, :, None] * across[:, None], (0, 1.5, 1.5))
    maps = (smooth + 1.5 * noise).clip(min=0) ** 2
    return contrast(maps).astype(np.float16), boxes


def drawn_mask(box: np.ndarray, width: int = 500, height: int = 375) -> bytes:
    """A true mask as PNG: the ellipse in a box, given as shares of the image."""
    mask, file = Image.new("L", (width, height)), io.BytesIO()
    ImageDraw.Draw(mask).ellipse((box * [width, height, width, height]).tolist(), fill=1)
    mask.save(file, "PNG")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5794)
    parser.add_argument("--crop", type=int, default=225)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--masks", action="store_true")
    asked = parser.parse_args()
    n, rng = asked.images, np.random.default_rng(0)
    names = [f"i{i}" for i in range(n)]
    index = pd.DataFrame({"image_id": names, "split": "test", "class": "a", "width": 500})
    index = index.assign(height=375)
    maps, boxes = drawn_maps(n, asked.crop // 8 + 1, rng)
    truth = pd.DataFrame(boxes * [500, 375, 500, 375], columns=CORNERS)
    truth.insert(0, "image_id", names)
    topk = pd.DataFrame({"image_id": names, "class1": "a"})
    masks = dict(zip(names, map(drawn_mask, boxes), strict=True)) if asked.masks else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "maps.h5")
        with h5py.File(path, "w") as file:
            file["image_id"], file["full"], file["crop"] = names, maps, maps
            file.attrs.update({"resize": 256, "crop": asked.crop, "relative": True})
        predicted = extract(index, path, THRESHOLD)
        begin = time.perf_counter()
        result = score(
            *(index, truth, *predicted, topk),
            **{"model": "BASE", "backbone": "none", "threshold": f"{THRESHOLD} of the contrast"},
            **{"crop": asked.crop, "maps": path, "fixed": THRESHOLD, "workers": asked.workers},
            masks=masks,
        )
        seconds = time.perf_counter() - begin
    print(f"{seconds:.1f} s for {n} images on {asked.workers} threads: {n / seconds:.0f} a second")
    for protocol, figures in result["protocols"].items():
        shown = ("gt_known", "max_box_acc", "own_unit_max_box_acc", "max_box_acc_v2")
        print(protocol, *(f"{name} {figures[name]:.2f}" for name in shown))


if __name__ == "__main__":
    main()
