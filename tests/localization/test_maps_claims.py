"""What the networks and their maps claim of dropout, pretrained weights and bf16."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL, fusion_network, pictures, plain_network
from torch import Tensor, nn
from torchvision import models

from isic.localization.maps import cam, localisation_maps, nmf, segmenter
from isic.networks.fusion import (
    FusionNetwork,
    PlainNetwork,
    class_activation_maps,
    image_vectors,
    logits,
)


@pytest.mark.parametrize("build", [fusion_network, plain_network])
@pytest.mark.parametrize("dropout", [0.0, 0.25, 0.5])
@torch.no_grad()
def test_dropout_drops_that_share_of_the_features_before_the_last_layer(
    build: Callable, dropout: float
) -> None:
    """The last layer gives what it is given, and 1: what is left of the features is scaled, and
    nothing behind the layer is dropped. The features themselves stay whole."""
    channels = 8 if build is fusion_network else 1024
    network = build(outputs=channels, dropout=dropout)
    network.head.weight.copy_(torch.eye(channels)[:, :, None, None])
    network.head.bias.fill_(1.0)
    network.train()
    torch.manual_seed(0)
    features, outputs = network(torch.randn(16, 3, 64, 64))
    outputs = outputs - 1
    alive = features > 1e-3
    kept = alive & (outputs != 0)
    torch.testing.assert_close(outputs[kept], features[kept] / (1 - dropout), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(outputs[~kept], torch.zeros_like(outputs[~kept]), atol=2e-3, rtol=0)
    assert alive.sum() > 2000
    assert 1 - kept.sum().item() / alive.sum().item() == pytest.approx(dropout, abs=0.05)


@pytest.mark.parametrize(
    "build",
    [
        lambda weights: FusionNetwork(SMALL, weights, channels=4, outputs=2),
        lambda weights: PlainNetwork(SMALL, weights, outputs=2),
    ],
    ids=["fusion", "plain"],
)
def test_a_network_begins_with_the_pretrained_weights(build: Callable, tmp_path: Path) -> None:
    torch.manual_seed(5)
    own = models.get_model(SMALL, weights=None)
    torch.save(own.state_dict(), tmp_path / "own.pth")
    torch.manual_seed(0)
    found = {value.data_ptr(): value for value in build(tmp_path / "own.pth").parameters()}
    shapes = {tuple(value.shape) for value in found.values()}
    assert tuple(own.conv5[0].weight.shape) in shapes
    for layer in (own.conv1[0], own.stage2[0].branch2[0], own.stage4[-1].branch2[5], own.conv5[0]):
        assert any(
            value.shape == layer.weight.shape and torch.equal(value, layer.weight)
            for value in found.values()
        )


def rounded(*shape: int) -> Tensor:
    """Values that bf16 holds, all above zero, as the fused map's are."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).bfloat16()


@torch.no_grad()
def test_means_and_cam_of_bf16_features_are_taken_in_float32() -> None:
    """In bf16 a sum has three digits: logits and vectors would be steps, and boxes with them."""
    features = rounded(2, 16, 28, 28)
    head = nn.Conv2d(16, 3, kernel_size=1)
    classes = torch.tensor([2, 0])
    with torch.autocast("cpu", torch.bfloat16):
        found = [
            logits(features),
            image_vectors(features),
            class_activation_maps(features, head, classes),
        ]
    exact = features.double()
    maps = (exact * head.weight[classes, :, 0, 0].double()[:, :, None, None]).sum(1)
    for values, expected in zip(
        found, (exact.mean((2, 3)), exact.mean((2, 3)), maps.clamp(min=0)), strict=True
    ):
        assert values.dtype == torch.float32
        torch.testing.assert_close(values.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["cam", "nmf", "segmenter"])
def test_maps_of_a_bf16_network_are_its_features_in_float32(kind: str) -> None:
    """The network alone is rounded: what follows from its features and its output is not."""
    network = fusion_network(outputs=1 if kind == "segmenter" else 3)
    seen: dict[str, Tensor] = {}

    def note(name: str) -> Callable:
        return lambda _module, _inputs, output: seen.update({name: output.double().cpu()})

    network.fusion.register_forward_hook(note("features"))
    network.head.register_forward_hook(note("scores"))
    labels, directions = np.array([0, 2]), np.random.default_rng(1).random((3, 8))
    functions = {
        "cam": lambda: cam(network, labels),
        "nmf": lambda: nmf(network, directions, 1 / 3, labels),
        "segmenter": lambda: segmenter(network),
    }
    found = localisation_maps(
        network, pictures(2, 64), functions[kind](), side=64, view="full", precision="bf16"
    )
    weights = {
        "cam": network.head.weight.detach().cpu().double()[:, :, 0, 0].numpy(),
        "nmf": directions,
    }
    if kind == "segmenter":
        expected = torch.sigmoid(seen["scores"][:, 0]).numpy()
    else:
        features = seen["features"].numpy() ** (1 / 3 if kind == "nmf" else 1)
        expected = np.einsum("nchw,nc->nhw", features, weights[kind][labels]).clip(0)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())
