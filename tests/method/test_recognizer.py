"""The recognizer's training."""

import torch
from networks import SMALL
from scenes import SETTINGS, scenes
from trainings import train_recognizer

from isic.networks.fusion import PlainNetwork


def test_a_recognizer_learns() -> None:
    images, labels, _ = scenes()
    torch.manual_seed(0)
    network = PlainNetwork(SMALL, None, outputs=3)
    settings = {**SETTINGS, "backbone_learning_rate": 0.02}
    curves = train_recognizer(network, images, labels, batch_size=24, epochs=15, seed=0, **settings)
    assert curves[-1]["loss"] < 0.5 * curves[0]["loss"]
    assert curves[-1]["accuracy"] > 0.8 > curves[0]["accuracy"]
