"""The object-mask stage's classifier: cross-entropy plus λ times ICFS (Section 3.4, Eq. 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import class_batches
from isic.data.encoded import Encoded
from isic.method.icfs import icfs_loss
from isic.networks.fusion import FusionNetwork, image_vectors, logits
from isic.settings.sections import Classifier
from isic.training.devices import pick_device
from isic.training.loop import Job, train
from isic.training.process_group import all_gather_rows


def train_classifier(
    network: FusionNetwork,
    images: np.ndarray | Encoded,
    labels: np.ndarray,
    similar: np.ndarray | None,
    settings: Classifier,
    job: Job,
    near: np.ndarray | None = None,
) -> list[dict[str, float]]:
    """Train a classifier with L = L_CE + λ·L_ICFS (Eq. 6) in place.

    Prints a warning after the epoch in which ICFS collapses the features.

    Args:
        images: (n, R, R, 3) uint8.
        labels: (n,) int64.
        similar: (C, C) bool, rows M_i, for ICFS; None where they are not known, and λ = 0.
        settings: λ, batches of P classes × K images, and what `isic.training.loop.train` takes.
        job: as `isic.training.loop.train` takes it.
        near: (C, C) float, S, by which a batch takes classes that are near each other; None draws
            them at random. With the same seed every λ and γ has the same batches.

    Returns:
        Curves, one row an epoch: ce, icfs (Eq. 5, unweighted; absent where `similar` is None),
        intra (Eq. 5 within classes alone, j = i, as a share of the distance of any two images of
        the batch: the same measure whatever S and γ are), accuracy in [0, 1], norm (root mean
        square of the image vectors' lengths).
    """
    device = pick_device()
    target = torch.tensor(labels).to(device)
    classes = int(labels.max()) + 1
    within = torch.eye(classes, dtype=torch.bool, device=device)
    pairs = None if similar is None else torch.from_numpy(similar).to(device)

    def losses(model: nn.Module, x: Tensor, rows: Tensor, _: Tensor | None) -> dict[str, Tensor]:
        fused, class_maps = model(x)
        y = target[rows]
        scores = all_gather_rows(logits(class_maps), len(rows))
        vectors = all_gather_rows(image_vectors(fused), len(rows))
        loss = ce = functional.cross_entropy(scores, y)
        icfs = {} if pairs is None else {"icfs": icfs_loss(vectors, y, pairs)}
        if settings.lam:
            loss = ce + settings.lam * icfs["icfs"]
        still = vectors.detach()
        any_two = 2 * still.var(dim=0).mean()
        return {
            "loss": loss,
            "ce": ce,
            **icfs,
            "intra": icfs_loss(still, y, within) / any_two.clamp(min=1e-12),
            "accuracy": (scores.argmax(1) == y).float().mean(),
            "norm": still.square().sum(1).mean().sqrt(),
        }

    def sampler(rng: np.random.Generator) -> Iterable[np.ndarray]:
        return class_batches(
            labels, near, settings.classes_per_batch, settings.images_per_class, rng
        )

    seen: list[dict[str, float]] = []
    said = False

    def watched(epoch: int, means: dict[str, float]) -> None:
        nonlocal said
        job.log(epoch, means)
        seen.append(means)
        reason = collapse(seen, classes, finished=epoch == settings.epochs)
        if reason and not said:
            remedy = "Lower lam" if settings.lam else "Train longer or faster"
            print(
                f"warning: training has collapsed in epoch {epoch}: {reason}. {remedy}.", flush=True
            )
            said = True

    return train(network, images, losses, sampler, settings, replace(job, log=watched))


def collapse(curves: list[dict[str, float]], classes: int, finished: bool) -> str | None:
    """What shows that ICFS has collapsed the features, in words, or None.

    Eq. 5 is met by features of no length, which tell no classes apart. Signs: accuracy below twice
    chance while the image vectors' norm is less than half the first epoch's (a healthy norm
    grows), or, when the training is finished, whatever the norm is.
    """
    first, last = curves[0], curves[-1]
    if last["accuracy"] >= min(2 / classes, 0.9):
        return None
    chance = f"training accuracy {last['accuracy']:.3f} is at chance ({classes} classes)"
    if last["norm"] < first["norm"] / 2:
        fall = f"from {first['norm']:.3g} to {last['norm']:.3g}"
        return f"the image vectors' norm fell {fall}, and {chance}"
    return chance if finished else None
