"""The separate classification network that names an image's class (Section 3.1, end).

A plain network: backbone, global average pooling, linear layer. With the classifier's backbone it
is also the network whose last stage gives the usual CAM of Table 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import shuffled
from isic.data.encoded import Encoded
from isic.networks.files import Network
from isic.networks.fusion import PlainNetwork, logits
from isic.settings.sections import Plain
from isic.training.devices import pick_device, place
from isic.training.inference import infer
from isic.training.loop import Job, train
from isic.training.process_group import all_gather_rows


def train_recognizer(
    network: PlainNetwork,
    images: np.ndarray | Encoded,
    labels: np.ndarray,
    settings: Plain,
    job: Job,
) -> list[dict[str, float]]:
    """Train a recognizer with cross-entropy in place; arguments as in `train_classifier`."""
    target = torch.tensor(labels).to(pick_device())

    def losses(model: nn.Module, x: Tensor, rows: Tensor, _: Tensor | None) -> dict[str, Tensor]:
        scores = all_gather_rows(logits(model(x)[1]), len(rows))
        ce = functional.cross_entropy(scores, target[rows])
        return {"loss": ce, "accuracy": (scores.argmax(1) == target[rows]).float().mean()}

    def sampler(rng: np.random.Generator) -> Iterable[np.ndarray]:
        return shuffled(len(images), settings.batch_size, rng)

    return train(network, images, losses, sampler, settings, job)


def best_classes(
    network: Network,
    images: np.ndarray | Encoded,
    k: int,
    *,
    crop: int,
    precision: str = "float32",
) -> tuple[np.ndarray, np.ndarray]:
    """The k best classes of each image's centre crop (Section 4.1).

    Args:
        images: (n, R, R, 3) uint8.
        k: at most the number of classes.

    Returns:
        Classes (n, k) int64, best first, and their softmax probabilities (n, k) float32.
    """
    place(network, pick_device())
    batches: Iterable[np.ndarray] = infer(
        images, lambda x, _: logits(network(x)[1]).softmax(1), crop=crop, precision=precision
    )
    probabilities = np.concatenate(list(batches))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(probabilities, order, axis=1)
