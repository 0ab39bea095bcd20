"""Writes the data set: images, masks and boxes, the same bytes for the same arguments.

An image depends on (seed, split, genus, species, number) and the size alone, so counts can grow and
no other image changes.
"""

from __future__ import annotations

import csv
import functools
import multiprocessing
import os
import threading
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from isic.data.sources.birds.looks import MAX_GENERA, MAX_SPECIES, look
from isic.data.sources.birds.render import render
from isic.data.sources.listing import visible
from isic.errors import InputError
from isic.process import INTERRUPTED, cores
from isic.storage.folders import filled, finish

SPLITS = ("train", "test")
WRITTEN = (*SPLITS, "masks", "boxes.csv")
COLUMNS = ("split", "class", "file", "width", "height", "xmin", "ymin", "xmax", "ymax")
Row = tuple[str, str, str, int, int, int, int, int, int]
IMAGES_PER_PROCESS = 100
"""Fewer do not repay the start of another process."""


def _write_image(folder: Path, size: int, seed: int, job: tuple[int, int, int, int]) -> Row:
    """Write image and mask number `job` = (split, genus, species, number); return its row."""
    split, g, s, number = job
    its = look(g, s)
    image, mask = render(np.random.SeedSequence([seed, *job]), its, size)
    name = f"{number:04d}"
    place = Path(SPLITS[split]) / its.name
    Image.fromarray(image).save(folder / place / f"{name}.jpg", quality=92, subsampling=0)
    Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / place / f"{name}.png")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return SPLITS[split], its.name, f"{name}.jpg", width, height, *box


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, and not after its share of images."""

    def wait() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(INTERRUPTED)

    threading.Thread(target=wait, daemon=True).start()


def generate(
    folder: Path,
    *,
    genera: int,
    species: int,
    train_images: int,
    test_images: int,
    size: int,
    seed: int,
) -> None:
    """Write the data set into `folder`, replacing the one that is there, whole or not at all.

    The folder gets train/CLASS/NNNN.jpg, test/CLASS/NNNN.jpg, masks/SPLIT/CLASS/NNNN.png (1 the
    visible part of the bird, else 0) and boxes.csv (columns `COLUMNS`; pixels, xmax and ymax
    exclusive; the tight box of the mask). The same arguments give the same bytes.

    Args:
        folder: where; its parent is made if need be.
        genera: groups of similar classes, 1 to `MAX_GENERA`.
        species: classes a genus, 1 to `MAX_SPECIES`.
        train_images: training images a class.
        test_images: test images a class.
        size: longer side of an image in pixels, 32 to 4096.
        seed: a non-negative integer.

    Raises:
        InputError: a setting is out of range, or the folder holds something else.
    """
    for name, value, low, high in (
        ("genera", genera, 1, MAX_GENERA),
        ("species", species, 1, MAX_SPECIES),
        ("train_images", train_images, 1, 9999),
        ("test_images", test_images, 0, 9999),
        ("size", size, 32, 4096),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise InputError(f"birds: {name} is {value}; give a value from {low} to {high}.")
    folder = Path(folder)
    finish(folder, WRITTEN)
    if folder.is_dir() and {path.name for path in visible(folder)} not in (set(), {*WRITTEN}):
        raise InputError(f"{folder}: holds something else than `isic birds` writes. Name another.")
    counts = (train_images, test_images)
    jobs = [
        (split, g, s, number)
        for split, g, s in product(range(len(SPLITS)), range(genera), range(species))
        for number in range(1, counts[split] + 1)
    ]
    with filled(folder, WRITTEN) as part:
        for split, g, s in product(SPLITS, range(genera), range(species)):
            for root in (part, part / "masks"):
                (root / split / look(g, s).name).mkdir(parents=True)
        write = functools.partial(_write_image, part, size, seed)
        processes = min(cores(), 8, len(jobs) // IMAGES_PER_PROCESS + 1)
        if processes == 1:
            rows = [write(job) for job in jobs]
        else:  # spawned: safe whatever the caller has imported
            context = multiprocessing.get_context("spawn")
            with context.Pool(processes, initializer=_end_with_parent) as pool:
                rows = pool.map(write, jobs, chunksize=16)
        rows.sort(key=lambda row: (SPLITS.index(row[0]), *row[1:3]))
        with (part / "boxes.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
