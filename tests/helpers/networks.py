"""Small networks for tests, with batch-norm statistics under which features do not vanish."""

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from isic.data.batches import normalised
from isic.networks.fusion import FusionNetwork, PlainNetwork

Network = TypeVar("Network", bound=nn.Module)
SMALL = "shufflenet_v2_x0_5"

# Of the model in conftest.py.
RESIZE, CROP = 80, 65
CLASSES = ["007", "NA", "ä, b"]
SETTINGS = {"resize": RESIZE, "crop": CROP, "threshold": 0.5, "precision": "float32"}
SETTINGS["recognizer"] = {"resize": 72, "crop": 64, "precision": "float32"}


def pictures(n: int, side: int) -> np.ndarray:
    """(n, side, side, 3) uint8: noise under coarse patches, different in each image."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 200, (n, -(-side // 16), -(-side // 16), 3))
    patches = patches.repeat(16, 1).repeat(16, 2)[:, :side, :side]
    return (patches + rng.integers(0, 56, patches.shape)).astype(np.uint8)


def give_statistics(network: nn.Module) -> None:
    """Batch norm that is not the identity, so that an omitted one shows."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


@torch.no_grad()
def calibrated(network: Network) -> Network:
    """In evaluation mode, with the batch-norm statistics of some pictures."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain mean of what is seen
    network(normalised(torch.from_numpy(pictures(16, 64))))
    return network.eval()


def fusion_network(outputs: int = 3, seed: int = 0, **options) -> FusionNetwork:
    torch.manual_seed(seed)
    options = {"channels": 8, **options}
    return calibrated(FusionNetwork(SMALL, None, outputs=outputs, **options))


def plain_network(outputs: int = 3, **options) -> PlainNetwork:
    torch.manual_seed(0)
    return calibrated(PlainNetwork(SMALL, None, outputs=outputs, **options))
