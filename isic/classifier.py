"""The object-mask stage's classifier: cross-entropy plus λ times ICFS (Section 3.4, Eq. 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import similar_class_batches
from isic.data.encoded import Encoded
from isic.devices import pick_device
from isic.distributed import gathered
from isic.losses import icfs_loss, scaled
from isic.models.fusion import FusionNetwork, image_vectors, logits
from isic.training import train


def train_classifier(
    network: FusionNetwork,
    images: np.ndarray | Encoded,
    labels: np.ndarray,
    similar: np.ndarray | None,
    *,
    lam: float,
    normalize: str,
    warmup: float,
    classes_per_batch: int,
    images_per_class: int,
    epochs: int,
    seed: int,
    log: Callable[[int, dict[str, float]], None] = lambda *_: None,
    **settings,
) -> list[dict[str, float]]:
    """Train a classifier with L = L_CE + λ·L_ICFS (Eq. 6) in place.

    Prints a warning after the epoch in which ICFS collapses the features.

    Args:
        images: (n, R, R, 3) uint8.
        labels: (n,) int64.
        similar: (C, C) bool, rows M_i, for batches and ICFS; None (λ = 0) draws classes at random.
        lam: λ.
        normalize: the scale of ICFS, see `isic.losses.scaled`.
        warmup: epochs over which λ grows linearly from 0.
        epochs, log, settings: as `isic.training.train` takes them.

    Returns:
        Curves, one row an epoch: ce, icfs (unweighted), intra (Eq. 5 within classes alone, j = i,
        as a share of the distance of any two images of the batch: the same measure whatever λ, γ
        and `normalize` are; at λ = 0 it is all that icfs is), accuracy in [0, 1], norm (root mean
        square of the image vectors' lengths).
    """
    device = pick_device()
    target = torch.tensor(labels).to(device)
    classes = int(labels.max()) + 1
    within = torch.eye(classes, dtype=torch.bool, device=device)
    pairs = within if similar is None else torch.from_numpy(similar).to(device)

    def losses(
        model: nn.Module, x: Tensor, rows: Tensor, _: Tensor | None, progress: float
    ) -> dict[str, Tensor]:
        fused, class_maps = model(x)
        y = target[rows]
        scores = gathered(logits(class_maps), len(rows))
        vectors = gathered(image_vectors(fused), len(rows))
        ce = functional.cross_entropy(scores, y)
        intra = icfs_loss(scaled(vectors.detach(), "spread"), y, within)
        icfs = icfs_loss(scaled(vectors, normalize), y, pairs) if lam else intra
        weight = lam * min(1.0, progress / warmup) if warmup else lam
        return {
            "loss": ce + weight * icfs if lam else ce,
            "ce": ce,
            "icfs": icfs,
            "intra": intra,
            "accuracy": (scores.argmax(1) == y).float().mean(),
            "norm": vectors.square().sum(1).mean().sqrt(),
        }

    def sampler(rng: np.random.Generator):
        return similar_class_batches(labels, similar, classes_per_batch, images_per_class, rng)

    seen: list[dict[str, float]] = []
    said = False

    def watched(epoch: int, means: dict[str, float]) -> None:
        nonlocal said
        log(epoch, means)
        seen.append(means)
        reason = collapse(seen, classes, finished=epoch == epochs)
        if reason and not said:
            remedy = "Lower lam, or set normalize: spread" if lam else "Train longer or faster"
            print(
                f"warning: training has collapsed in epoch {epoch}: {reason}. {remedy}.", flush=True
            )
            said = True

    settings |= {"epochs": epochs, "seed": seed, "log": watched}
    return train(network, images, losses, sampler, **settings)


def collapse(curves: list[dict[str, float]], classes: int, finished: bool) -> str | None:
    """What shows that ICFS has collapsed the features, in words, or None.

    Signs: the image vectors' norm 100-fold below the first epoch's, or, when the training is
    finished, accuracy below twice chance.
    """
    first, last = curves[0], curves[-1]
    if last["norm"] < first["norm"] / 100:
        return f"the image vectors' norm fell from {first['norm']:.3g} to {last['norm']:.3g}"
    if finished and last["accuracy"] < min(2 / classes, 0.9):
        return f"training accuracy {last['accuracy']:.3f} is at chance ({classes} classes)"
    return None
