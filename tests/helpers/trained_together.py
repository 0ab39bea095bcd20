"""Trains a classifier and a segmenter and writes their curves, and one classifier from its last
checkpoint again; run by tests/training/test_process_group.py."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from networks import SMALL
from trainings import train_classifier, train_segmenter

from isic.data.batches import normalised
from isic.networks.fusion import FusionNetwork
from isic.process import rank
from isic.training import loop as training
from isic.training.checkpoint import Checkpoint
from isic.training.process_group import process_group

SETTINGS = {
    "epochs": 3,
    "crop": 33,
    "learning_rate": 0.02,
    "backbone_learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "float32",
    "seed": 5,
}


def main(output: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (21, 40, 40, 3), np.uint8)
    masks = rng.choice([0, 1, 255], (21, 40, 40)).astype(np.uint8)
    labels = np.arange(21) % 3
    similar = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    # In float64: this small network multiplies float32's rounding a thousandfold at each step.
    training.normalised = lambda pixels: normalised(pixels).double()
    found = {}
    with process_group():
        torch.manual_seed(1)
        network = FusionNetwork(SMALL, None, channels=8, outputs=3).double()
        found["classifier"] = train_classifier(
            network,
            images,
            labels,
            similar,
            lam=0.5,
            classes_per_batch=3,
            images_per_class=3,
            **SETTINGS,
        )
        statistics = network.fusion.reduce[0][1].running_var
        found["variance"] = statistics.double().tolist()
        torch.manual_seed(1)
        network = FusionNetwork(SMALL, None, channels=8, outputs=1).double()
        # 8, 8 and 5 images a batch: one that two processes cannot halve
        found["segmenter"] = train_segmenter(network, images, masks, batch_size=8, **SETTINGS)
        found["head"] = network.head.weight.flatten().tolist()
        training.CHECKPOINT_EVERY, training.ASK_EVERY = -1.0, 1
        found["whole"], found["resumed"] = (
            with_dropout(images, labels, similar, Checkpoint(output, {})) for _ in range(2)
        )
    if rank() == 0:
        output.write_text(json.dumps(found))


def with_dropout(
    images: np.ndarray, labels: np.ndarray, similar: np.ndarray, checkpoint: Checkpoint
) -> list:
    """The curve and some weights; the second time of the steps after the last checkpoint alone."""
    torch.manual_seed(1)
    network = FusionNetwork(SMALL, None, channels=8, outputs=3, dropout=0.5).double()
    curves = train_classifier(
        network,
        images,
        labels,
        similar,
        lam=0.5,
        classes_per_batch=3,
        images_per_class=3,
        checkpoint=checkpoint,
        **SETTINGS | {"epochs": 1},
    )
    return [curves, network.head.weight.flatten().tolist()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
