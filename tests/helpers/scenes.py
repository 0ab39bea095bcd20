"""Small images of squares in their class's colour, on which small networks are trained."""

import numpy as np
from torch import nn

SETTINGS = {
    "crop": 32,
    "learning_rate": 0.02,
    "backbone_learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "float32",
}
COLOURS = np.array([[230, 40, 40], [40, 230, 40], [40, 40, 230]], np.uint8)


def scenes(n: int = 24, side: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square in its class's colour on grey noise: images, classes, and where the squares are."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 150, (n, side, side, 3), np.uint8)
    masks = np.zeros((n, side, side), np.uint8)
    labels = np.arange(n) % len(COLOURS)
    for image, mask, label in zip(images, masks, labels, strict=True):
        y, x = rng.integers(4, side - 24, 2)
        image[y : y + 20, x : x + 20] = COLOURS[label]
        mask[y : y + 20, x : x + 20] = 1
    return images, labels, masks


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in a)
