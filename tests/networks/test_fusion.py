"""The fused map of three scales, the plain network, what follows from their features."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import fusion_network, give_statistics, plain_network
from torch import Tensor, nn

from isic.localization.interpolation import upsample
from isic.networks.fusion import Fusion, class_activation_maps, image_vectors, logits


@pytest.mark.parametrize("size", [(224, 224), (97, 131), (33, 65), (100, 72), (32, 40)])
@torch.inference_mode()
def test_fused_maps_at_odd_sizes(size: tuple[int, int]) -> None:
    network = fusion_network()
    fused, maps = network(torch.randn(1, 3, *size))
    height, width = (-(-side // 8) for side in size)
    assert fused.shape == (1, 8, height, width)
    assert maps.shape == (1, 3, height, width)
    assert (fused >= 0).all()
    assert fused.std() > 1e-3


@pytest.mark.parametrize(
    "sizes", [[(7, 9), (4, 5), (2, 3)], [(5, 5), (2, 2), (1, 1)], [(1, 3), (1, 2), (1, 1)]]
)
@torch.inference_mode()
def test_fusion_is_the_product_of_three_scales(sizes: list[tuple[int, int]]) -> None:
    """Section 3.2, outside torch."""
    fusion = Fusion([4, 6, 2], 5).eval()
    give_statistics(fusion)
    features = [torch.randn(2, n, *size) for n, size in zip([4, 6, 2], sizes, strict=True)]
    expected = np.ones((2, 5, *sizes[0]))
    for reduce, feature in zip(fusion.reduce, features, strict=True):
        conv, norm = reduce[0], reduce[1]
        scale = np.einsum("nchw,oc->nohw", feature.numpy(), conv.weight[:, :, 0, 0].numpy())
        deviation = torch.sqrt(norm.running_var + norm.eps)
        mean, deviation = (t.numpy()[:, None, None] for t in (norm.running_mean, deviation))
        scale = np.maximum((scale - mean) / deviation, 0)
        expected = expected * np.stack([upsample(maps, sizes[0]) for maps in scale])
    np.testing.assert_allclose(fusion(features, sizes[0]).numpy(), expected, rtol=1e-4, atol=1e-6)


@torch.inference_mode()
def test_logits_and_image_vectors_are_spatial_means() -> None:
    x = torch.randn(2, 3, 4, 5)
    expected = x.numpy().reshape(2, 3, 20).mean(2)
    np.testing.assert_allclose(logits(x).numpy(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(image_vectors(x).numpy(), expected, rtol=1e-4, atol=1e-6)


@torch.inference_mode()
def test_a_plain_network_is_pooling_and_a_linear_layer() -> None:
    network = plain_network(outputs=4, dropout=0.5)
    features, maps = network(torch.randn(2, 3, 64, 96))
    assert features.shape == (2, 1024, 2, 3)
    assert maps.shape == (2, 4, 2, 3)
    pooled = features.mean((2, 3)) @ network.head.weight[:, :, 0, 0].T + network.head.bias
    torch.testing.assert_close(logits(maps), pooled, rtol=1e-4, atol=1e-5)


def test_dropout_is_off_in_evaluation_alone() -> None:
    network = fusion_network(outputs=2, dropout=0.5)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(network(x)[1], network(x)[1])
    network.dropout.train()
    fused, first = network(x)
    assert not torch.equal(first, network(x)[1])
    torch.testing.assert_close(fused, network(x)[0])  # F itself is not dropped


@torch.inference_mode()
def test_cam_is_eq_7() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((3, 5, 4, 6)).astype(np.float32)
    head = nn.Conv2d(5, 7, kernel_size=1)
    weight = head.weight.numpy()  # L, transposed
    classes = [6, 0, 3]
    found = class_activation_maps(torch.from_numpy(features), head, torch.tensor(classes))
    for image, c in enumerate(classes):
        expected = np.zeros((4, 6))
        for i in range(5):
            expected += weight[c, i, 0, 0] * features[image, i]
        assert (expected < 0).any()
        np.testing.assert_allclose(found[image], np.maximum(expected, 0), atol=1e-6)


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
