"""Backbones: three stages of torchvision's networks, and weights that are refused."""

from pathlib import Path

import pytest
import torch
from networks import SMALL, fusion_network, give_statistics
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from isic.errors import InputError
from isic.networks.backbones import Backbone, parameter_groups

# Where each network's own body ends, by torchvision's names.
BODIES = {
    "resnet18": "layer4",
    "mobilenet_v2": "features",
    "efficientnet_b0": "features",
    "shufflenet_v2_x0_5": "conv5",
    "regnet_y_400mf": "trunk_output",
    "densenet121": "features.norm5",
}


@pytest.fixture(scope="module", params=BODIES)
def pair(request, tmp_path_factory) -> tuple[nn.Module, Backbone]:
    """torchvision's network, and our backbone with the same weights from a file."""
    torch.manual_seed(0)
    own = models.get_model(request.param, weights=None).eval()
    give_statistics(own)
    path = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(own.state_dict(), path)
    return own, Backbone(request.param, path).eval()


@torch.inference_mode()
def test_a_backbone_gives_strides_8_16_32(pair) -> None:
    _, backbone = pair
    features = backbone(torch.randn(2, 3, 96, 64))
    assert [f.shape[2:] for f in features] == [(12, 8), (6, 4), (3, 2)]
    assert [f.shape[1] for f in features] == backbone.channels


@torch.inference_mode()
def test_a_backbone_computes_what_torchvision_does(pair) -> None:
    own, backbone = pair
    x = torch.randn(1, 3, 64, 64)
    body = create_feature_extractor(own, {BODIES[backbone.name]: "f5"})
    features = backbone(x)
    torch.testing.assert_close(features[-1], body(x)["f5"])
    if backbone.name == "resnet18":
        nodes = create_feature_extractor(own, ["layer2", "layer3", "layer4"])(x)
    elif backbone.name == "mobilenet_v2":
        nodes = create_feature_extractor(own, ["features.6", "features.13", "features.18"])(x)
    else:
        return
    for found, expected in zip(features, nodes.values(), strict=True):
        torch.testing.assert_close(found, expected)


@torch.inference_mode()
def test_stages_are_chained_without_overwriting(pair) -> None:
    """A stage that works in place would change what the stage before it has given."""
    _, backbone = pair
    x = torch.randn(1, 3, 64, 64)
    f3 = backbone.stages[0](x).clone()
    f4 = backbone.stages[1](f3.clone()).clone()
    features = backbone(x)
    torch.testing.assert_close(features[0], f3)
    torch.testing.assert_close(features[1], f4)


def test_cutting_leaves_the_statistics_alone() -> None:
    backbone = Backbone(SMALL)
    assert backbone.training
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert norm.training
        assert norm.num_batches_tracked == 0
        assert not norm.running_mean.any()


@pytest.mark.parametrize("name", ["vit_b_16", "alexnet", "swin_t"])
def test_networks_without_the_strides_are_refused(name: str, monkeypatch) -> None:
    if name == "vit_b_16":  # one layer of it is enough, and quicker
        whole = models.get_model
        monkeypatch.setattr(
            models,
            "get_model",
            lambda *_, **options: (
                models.VisionTransformer(64, 16, 1, 2, 16, 16)
                if _[0] == "vit_b_16"
                else whole(*_, **options)
            ),
        )
    with pytest.raises(InputError, match=f"'{name}' cannot be used.*resnet50") as caught:
        Backbone(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"no classification network 'resnet19'.*mobilenet_v2"):
        Backbone("resnet19")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(InputError, match=r"no file .*weights\.pth.*weights: none"):
        Backbone(SMALL, path)
    state = models.get_model(SMALL, weights=None).state_dict()
    state.pop("conv1.0.weight")
    contents = {
        "another network's": lambda: torch.save(models.squeezenet1_1().state_dict(), path),
        "incomplete": lambda: torch.save(state, path),
        "not a state dict": lambda: torch.save([1, 2], path),
        "no torch file": lambda: path.write_bytes(b"<html>not found</html>"),
        "empty": lambda: path.write_bytes(b""),
    }
    for write in contents.values():
        write()
        with pytest.raises(InputError, match=r"weights: .*weights\.pth is no state dict") as caught:
            Backbone(SMALL, path)
        assert "\n" not in str(caught.value)


def test_weights_that_run_code_are_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"conv1.0.weight": Harm()}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="weights"):
        Backbone(SMALL, tmp_path / "weights.pth")
    assert not (tmp_path / "harm").exists()


def test_parameter_groups_hold_each_parameter_once() -> None:
    network = fusion_network()
    new, backbone = parameter_groups(network, 0.02, 0.002)
    assert (new["lr"], backbone["lr"]) == (0.02, 0.002)
    expected = {id(p) for p in network.backbone.parameters()}
    assert {id(p) for p in backbone["params"]} == expected
    everything = [id(p) for group in (new, backbone) for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in network.parameters())
