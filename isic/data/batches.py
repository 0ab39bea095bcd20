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


def class_batches(
    labels: np.ndarray,
    near: np.ndarray | None,
    classes_per_batch: int,
    images_per_class: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """One epoch of batches of P classes × K images, classes that are near each other together.

    A batch drawn at random from many classes holds almost no similar pair, so that ICFS would have
    nothing to compare. Here a batch takes a class drawn at random, in proportion to the images that
    it has left, the class nearest to it, the one nearest to either, and so on. What is left when
    fewer than P classes have any is dealt out to batches of about the same size, or joins the last
    batch: the network is saved after steps like all others, and not after some of one class alone.

    Guarantees, each epoch: every image occurs once; no class stands twice in a batch as long as P
    classes have images left. The batches depend on S, and neither on λ nor on γ.

    Args:
        labels: (n,) int, the class of each row.
        near: (C, C) float, S; None draws every class at random.
        classes_per_batch: P.
        images_per_class: K; a class whose images are no multiple of it has some smaller groups.
        rng: the only source of randomness.

    Yields:
        int64 rows: P groups, in the epoch's last batches half as many to half as many again.
    """
    groups: dict[int, list[np.ndarray]] = {}
    for label in np.unique(labels).tolist():
        rows = rng.permutation(np.flatnonzero(labels == label))
        groups[label] = np.array_split(rows, -(-len(rows) // images_per_class))
    left = np.zeros(max(groups) + 1)  # groups of each class
    left[list(groups)] = [len(own) for own in groups.values()]

    batches: list[np.ndarray] = []
    while (left > 0).sum() >= classes_per_batch:
        free = np.flatnonzero(left)
        batch = [int(rng.choice(free, p=left[free] / left.sum()))]
        others = rng.permutation(free[free != batch[0]])
        while len(batch) < classes_per_batch:
            nearest = 0 if near is None else near[np.ix_(np.array(batch), others)].max(0).argmax()
            batch.append(int(others[nearest]))
            others = np.delete(others, nearest)
        left[batch] -= 1
        batches.append(np.concatenate([groups[label].pop() for label in batch]))
    rest = [rows for own in groups.values() for rows in own]
    count = max(not batches, round(len(rest) / classes_per_batch))
    if count == 0:  # too few for a batch of their own
        batches[-1] = np.concatenate([batches[-1], *rest])
    for part in np.array_split(rng.permutation(len(rest)), count) if count else ():
        batches.append(np.concatenate([rest[place] for place in part]))
    yield from batches


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
