"""Where feature maps lie: by an image's dots, by mirror images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL, calibrated, fusion_network, pictures
from torch import nn
from torch.nn import functional

from isic.method.features import fused_maps
from isic.networks.backbones import STRIDES, Backbone
from isic.networks.files import load_network, save_network
from isic.networks.fusion import FusionNetwork
from isic.networks.positions import laid, offsets, padding_offsets

FAMILIES = {
    "resnet18": (0, 0, 0),
    "mobilenet_v2": (0, 0, 0),
    "efficientnet_b0": (0, 0, 0),
    "regnet_y_400mf": (0, 0, 0),
    "vgg11": (3.5, 7.5, 15.5),
    "densenet121": (2, 6, 14),
    "convnext_tiny": (3.5, 7.5, 15.5),
}


def even_handed(name: str) -> Backbone:
    """A backbone that takes means alone, and so favours no side of what a position sees."""
    backbone = Backbone(name).eval()
    for parent in [*backbone.modules()]:
        for child, module in parent.named_children():
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if isinstance(module, nn.MaxPool2d):
                mean = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
                setattr(parent, child, mean)
    return backbone


@pytest.mark.parametrize("name", FAMILIES)
def test_positions_follow_from_kernels_and_padding(name: str) -> None:
    assert padding_offsets(Backbone(name)) == pytest.approx(FAMILIES[name])


# Not ConvNeXt, whose LayerNorm has nothing to divide by where all channels are alike.
@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"convnext_tiny"}))
def test_a_position_lies_where_the_dot_is_that_it_sees(name: str) -> None:
    """The middle of the pixels that move a position, a dot at a time, is offset + stride · i."""
    backbone = even_handed(name)
    images = (torch.rand(1, 3, 257, 257) / 100).requires_grad_()  # small: ReLU6 ends at 6
    for feature, stride, offset in zip(backbone(images), STRIDES, FAMILIES[name], strict=True):
        i = round((128 - offset) / stride)
        (sees,) = torch.autograd.grad(feature[0, :, i, i].sum(), images, retain_graph=True)
        strength = sees.abs().sum((0, 1, 2))
        middle = float((strength * torch.arange(257)).sum() / strength.sum())
        assert middle == pytest.approx(offset + stride * i, abs=0.2 * stride)


@pytest.mark.parametrize(
    ("name", "side"),
    [("resnet18", 161), ("vgg11", 160), ("convnext_tiny", 160)],
)
@torch.inference_mode()
def test_the_mirror_image_has_the_mirrored_map(name: str, side: int) -> None:
    network = calibrated(FusionNetwork(name, None, channels=8, outputs=3))
    network.offsets = offsets(network.backbone, side)
    images = torch.rand(1, 3, side, side)
    fused = network.features(images)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.flip(3))
    mirrored = network.features(images.flip(3)).flip(3)
    torch.testing.assert_close(mirrored, fused, rtol=1e-3, atol=1e-4 * float(fused.max()))


def test_padding_of_32_k_plus_1_is_exact_and_of_other_sides_is_not() -> None:
    backbone = Backbone("resnet18")
    assert offsets(backbone, 161) is None
    assert offsets(backbone, 224) == [0, 0, 0]


@pytest.mark.parametrize(("stride", "offset", "length"), [(16, 0, 11), (32, 15.5, 5), (16, -6, 11)])
def test_laid_maps_tell_where_they_are(stride: int, offset: float, length: int) -> None:
    """Each value a pixel's place: laid, it is the place of the new position, up to the ends."""
    places = offset + stride * torch.arange(float(length))
    scale = places.expand(1, 1, length, length)
    found = laid(scale, (21, 21), (161, 161), stride, offset)[0, 0]
    expected = torch.arange(0, 161, 8).clamp(places[0], places[-1]).expand(21, 21)
    torch.testing.assert_close(found, expected.to(found))


def test_laid_at_its_own_corners_is_interpolation_corner_on_corner() -> None:
    scale = torch.rand(2, 3, 6, 6)
    found = laid(scale, (21, 21), (161, 161), 32, 0)
    expected = functional.interpolate(scale, (21, 21), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found, expected)


def test_a_file_keeps_the_offsets_and_one_without_has_none(tmp_path: Path) -> None:
    shape = {"backbone": SMALL, "channels": 8, "outputs": 3}
    network = fusion_network()
    save_network(tmp_path / "old.safetensors", network, {"kind": "fusion", **shape}, {})
    shape["offsets"] = [-2.5, -6.5, -12.0]
    save_network(tmp_path / "new.safetensors", network, {"kind": "fusion", **shape}, {})
    images = torch.rand(1, 3, 65, 65)
    old, new = (load_network(tmp_path / f"{n}.safetensors", fused=True)[0] for n in ("old", "new"))
    assert old.offsets is None
    assert new.offsets == [-2.5, -6.5, -12.0]
    with torch.inference_mode():
        assert not torch.equal(old.features(images), new.features(images))


@pytest.mark.parametrize("side", [64, 97])
def test_maps_of_both_ways_are_the_mirror_images_mirrored(side: int) -> None:
    """Of any weights, which here look to one side."""
    network = fusion_network()
    images = pictures(2, side)
    way = images, images[:, :, ::-1].copy()
    once, mirrored = (np.concatenate(list(fused_maps(network, x, side, True))) for x in way)
    np.testing.assert_allclose(once, mirrored[:, :, ::-1], rtol=2e-2, atol=1e-3)
    alone, other = (np.concatenate(list(fused_maps(network, x, side))) for x in way)
    assert np.abs(alone - other[:, :, ::-1]).max() > 0.1 * alone.max()
    np.testing.assert_allclose(once, (alone + other[:, :, ::-1]) / 2, rtol=2e-2, atol=1e-3)
