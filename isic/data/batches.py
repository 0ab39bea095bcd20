"""Which images make a batch, and how they are cut, flipped and normalised (Sections 3.4, 4.1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

# The ImageNet mean and standard deviation that torchvision's weights expect, for values in [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def shuffled(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """One epoch of batches of rows 0 … n−1, each row once; the last batch may be smaller.

    A last batch of one row joins the one before: batch norm cannot train on it.
    """
    order = rng.permutation(n)
    batches = [order[i : i + batch_size] for i in range(0, n, batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    yield from batches


def similar_class_batches(
    labels: np.ndarray,
    similar: np.ndarray | None,
    classes_per_batch: int,
    images_per_class: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """One epoch of batches of P classes × K images with similar classes put together.

    A batch drawn at random from many classes holds almost no similar pair, so that ICFS would have
    nothing to compare. Here a batch starts with a class drawn at random, in proportion to the
    images it has left, takes the classes similar to it, those similar to these in turn, and then,
    when none is left, another class drawn at random.

    Guarantees, each epoch: every image occurs; an image occurs twice only to fill its class's last
    group of K; no class stands twice in a batch; no batch but the last ones, when fewer than P
    classes have images left, has fewer than P classes.

    Args:
        labels: (n,) int, the class of each row.
        similar: (C, C) bool, row i is M_i; None draws every class at random.
        classes_per_batch: P.
        images_per_class: K.
        rng: the only source of randomness.

    Yields:
        (≤ P·K,) int64 rows, those of one class together.
    """
    groups: dict[int, list[np.ndarray]] = {}
    in_order = np.argsort(labels, kind="stable")
    found, first = np.unique(labels[in_order], return_index=True)
    for label, rows in zip(found.tolist(), np.split(in_order, first[1:]), strict=True):
        rows = rng.permutation(rows)
        missing = -len(rows) % images_per_class
        rows = np.concatenate([rows, rng.choice(rows, missing)])
        groups[label] = list(rows.reshape(-1, images_per_class))
    left = np.zeros(int(found[-1]) + 1)  # groups of each class
    left[found] = [len(groups[label]) for label in found]

    while left.any():
        batch: list[int] = []
        free = left > 0
        near = np.zeros(len(left), bool)  # similar to a class of the batch
        while len(batch) < classes_per_batch and free.any():
            among = np.flatnonzero(free & near if (free & near).any() else free)
            drawn = int(rng.choice(among, p=left[among] / left[among].sum()))
            batch.append(drawn)
            free[drawn] = False
            if similar is not None:
                near |= similar[drawn, : len(left)]
        left[batch] -= 1
        yield np.concatenate([groups[c].pop() for c in batch])


def cut_out(
    images: Tensor,
    rows: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    flip: np.ndarray,
    crop: int,
) -> Tensor:
    """Square windows of stored images, mirrored where `flip`, on the images' device.

    Args:
        images: (n, R, R, …) of any dtype.
        rows, top, left: (b,) int64.
        flip: (b,) bool.
        crop: the window's side in pixels.

    Returns:
        (b, crop, crop, …) of the same dtype.
    """
    # Slices and one copy of them: on the CPU eight times as fast as a gather by pixel.
    places = zip(rows.tolist(), top.tolist(), left.tolist(), strict=True)
    windows = torch.stack([images[row, y : y + crop, x : x + crop] for row, y, x in places])
    mirrored = torch.from_numpy(np.flatnonzero(flip)).to(images.device)
    windows[mirrored] = windows[mirrored].flip(2)
    return windows


def normalised(images: Tensor) -> Tensor:
    """(b, H, W, 3) uint8 → (b, 3, H, W) float32, channels last in memory, ImageNet statistics."""
    b, height, width, _ = images.shape
    # A row's values in one axis: one of three values alone would be too short to vectorise.
    mean = torch.tensor(MEAN * width, device=images.device) * 255
    std = torch.tensor(STD * width, device=images.device) * 255
    rows = images.reshape(b, height, width * 3).float().sub_(mean).div_(std)
    return rows.view(images.shape).permute(0, 3, 1, 2)


def random_windows(
    n: int, size: int, crop: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random crop and horizontal flip (Section 4.1): top, left (n,) int64 and flip (n,) bool."""
    top, left = rng.integers(0, size - crop + 1, (2, n))
    return top, left, rng.random(n) < 0.5
