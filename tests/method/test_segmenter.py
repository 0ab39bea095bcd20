"""The segmenter's training and its loss, and images that are kept encoded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL
from scenes import SETTINGS, same, scenes, weights
from torch import Tensor, nn
from torch.nn import functional
from trainings import train_segmenter

from isic.data.encoded import Encoded
from isic.method.segmenter import segmentation_loss
from isic.networks.fusion import FusionNetwork
from isic.training.inference import infer


def test_a_segmenter_learns() -> None:
    images, _, masks = scenes()
    masks[:, :2] = 255
    torch.manual_seed(0)
    network = FusionNetwork(SMALL, None, channels=16, outputs=1)
    settings = {**SETTINGS, "learning_rate": 0.1, "backbone_learning_rate": 0.1}
    curves = train_segmenter(network, images, masks, batch_size=6, epochs=20, seed=0, **settings)
    assert curves[-1]["loss"] < 0.7 * curves[0]["loss"]
    (found,) = infer(images, lambda x, _: torch.sigmoid(network(x)[1][:, 0]))
    found = found.repeat(8, 1).repeat(8, 2)
    assert found[masks == 1].mean() > found[masks == 0].mean() + 0.15


def test_segmentation_loss_is_over_the_decided_pixels() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(2, 1, 8, 8)
    masks = torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8)
    masks[masks == 2] = 255
    terms = []
    for mask, output in zip(masks.flatten().tolist(), outputs.flatten().tolist(), strict=True):
        if mask != 255:
            p = 1 / (1 + np.exp(-output))
            terms.append(-np.log(p if mask == 1 else 1 - p))
    assert segmentation_loss(outputs, masks).item() == pytest.approx(np.mean(terms), rel=1e-5)
    changed = torch.where(masks[:, None] == 255, 99, outputs)
    assert segmentation_loss(changed, masks) == segmentation_loss(outputs, masks)


def test_segmentation_loss_is_at_the_masks_resolution() -> None:
    outputs = torch.randn(1, 1, 4, 5)
    masks = torch.randint(0, 2, (1, 16, 20), dtype=torch.uint8)
    larger = functional.interpolate(outputs, (16, 20), mode="bilinear", align_corners=True)
    torch.testing.assert_close(segmentation_loss(outputs, masks), segmentation_loss(larger, masks))


def test_masks_that_say_nothing_cost_nothing() -> None:
    outputs = torch.randn(2, 1, 4, 4, requires_grad=True)
    loss = segmentation_loss(outputs, torch.full((2, 8, 8), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()


class Reader(nn.Module):
    """Gives the mask that is painted in an image's red: an image with another's mask costs much."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(40.0))
        self.batches: list[list[float]] = []  # green, by which an image can be told

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.batches.append(x[:, 1].amax((1, 2)).tolist())
        return x, self.scale * x[:, :1].sign()


def taught(seed: int) -> tuple[list[dict[str, float]], list[list[float]]]:
    """Curves and batches of two epochs; what is left out is painted as the object is."""
    masks = np.random.default_rng(1).choice([0, 1, 255], (10, 16, 16)).astype(np.uint8)
    images = np.zeros((10, 16, 16, 3), np.uint8)
    images[..., 0] = np.where(masks == 0, 0, 255)
    images[..., 1] = 25 * np.arange(10)[:, None, None]
    network = Reader()
    still = {"learning_rate": 0.0, "backbone_learning_rate": 0.0, "weight_decay": 0.0}
    settings = SETTINGS | still | {"crop": 12, "epochs": 2, "batch_size": 4, "seed": seed}
    return train_segmenter(network, images, masks, **settings), network.batches


def test_each_image_is_taught_by_its_own_mask() -> None:
    curves, _ = taught(0)
    assert [row["loss"] for row in curves] == pytest.approx([0, 0], abs=1e-6)


def test_a_segmenters_batches_are_as_large_as_asked_for_and_shuffled() -> None:
    batches = taught(0)[1]
    assert [len(batch) for batch in batches] == [4, 4, 2] * 2
    first, second = ([*a, *b, *c] for a, b, c in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == sorted(set(first))
    assert first != second != sorted(first) != first
    assert taught(0)[1] == batches != taught(1)[1]


def test_the_segmentation_loss_is_taken_in_float32() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(2, 1, 5, 5).bfloat16()
    masks = torch.randint(0, 2, (2, 33, 33), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        found = segmentation_loss(outputs, masks)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, segmentation_loss(outputs.double().float(), masks))


def encoded(images: np.ndarray, path: Path) -> Encoded:
    """These images kept in a file, as bytes."""
    path.write_bytes(images.tobytes())
    shape, size = images.shape[1:], images[0].nbytes
    places = np.arange(len(images))

    def decode(data: bytes) -> np.ndarray:
        return np.frombuffer(data, np.uint8).reshape(shape)

    return Encoded([path], 0 * places, size * places, size + 0 * places, shape, decode)


def test_encoded_images_train_the_same_network(tmp_path: Path) -> None:
    images, _, masks = scenes()
    settings = {"crop": 32, "epochs": 2, "batch_size": 8, "seed": 3, "precision": "float32"}
    settings |= {"learning_rate": 0.05, "backbone_learning_rate": 0.05}
    settings |= {"momentum": 0.9, "weight_decay": 1e-4}
    found = []
    for kind in (lambda array, _: array, lambda array, name: encoded(array, tmp_path / name)):
        torch.manual_seed(0)
        network = FusionNetwork(SMALL, None, channels=8, outputs=1)
        curves = train_segmenter(network, kind(images, "i"), kind(masks, "m"), **settings)
        whole = np.concatenate(list(infer(kind(images, "i"), lambda x, _: x.mean((2, 3)), crop=24)))
        found.append((curves, weights(network), whole))
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
