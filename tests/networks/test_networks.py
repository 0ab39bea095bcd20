"""Backbones, fusion, CAM, and the files that networks are kept in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL, fusion_network, plain_network
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from isic.errors import InputError
from isic.localization.interpolation import upsample
from isic.networks.backbones import Backbone, parameter_groups
from isic.networks.files import load_network, save_network
from isic.networks.fusion import (
    Fusion,
    FusionNetwork,
    PlainNetwork,
    class_activation_maps,
    image_vectors,
    logits,
)

# Where each network's own body ends, by torchvision's names.
BODIES = {
    "resnet18": "layer4",
    "mobilenet_v2": "features",
    "efficientnet_b0": "features",
    "shufflenet_v2_x0_5": "conv5",
    "regnet_y_400mf": "trunk_output",
    "densenet121": "features.norm5",
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def give_statistics(network: nn.Module) -> None:
    """Batch norm that is not the identity, so that an omitted one shows."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


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
        with pytest.raises(
            InputError, match=r"weights: .*weights\.pth is no torchvision"
        ) as caught:
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
    np.testing.assert_allclose(fusion(features).numpy(), expected, rtol=1e-4, atol=1e-6)


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


SHAPE = {"kind": "fusion", "backbone": SMALL, "channels": 8, "outputs": 3}
METADATA = {"settings": '{"lam": 1.0}', "versions": "{}", "inputs": "{}"}


@torch.inference_mode()
def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    path, x = tmp_path / "network.safetensors", torch.randn(2, 3, 64, 64)
    network = fusion_network()
    save_network(path, network.to(memory_format=torch.channels_last), SHAPE, METADATA)
    found, metadata = load_network(path)
    assert not found.training
    assert found.state_dict().keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    torch.testing.assert_close(found(x), network(x), rtol=1e-3, atol=1e-3)
    assert metadata.items() >= METADATA.items()

    plain = plain_network(outputs=4)
    save_network(path, plain, {"kind": "plain", "backbone": SMALL, "outputs": 4}, {})
    found, _ = load_network(path)
    assert isinstance(found, PlainNetwork)
    torch.testing.assert_close(found(x), plain(x))


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    contents = set()
    for _ in range(8):  # the order of a hash map would show
        save_network(tmp_path / "network.safetensors", fusion_network(), SHAPE, METADATA)
        contents.add((tmp_path / "network.safetensors").read_bytes())
    network = fusion_network().to(memory_format=torch.channels_last)
    save_network(tmp_path / "network.safetensors", network, SHAPE, METADATA)
    contents.add((tmp_path / "network.safetensors").read_bytes())
    assert len(contents) == 1
    save_network(tmp_path / "other.safetensors", fusion_network(seed=1), SHAPE, METADATA)
    assert (tmp_path / "other.safetensors").read_bytes() not in contents


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(path, fusion_network(), SHAPE, METADATA)
    whole = path.read_bytes()
    save_network(path, fusion_network(), {**SHAPE, "outputs": 5}, METADATA)
    shapes_differ = path.read_bytes()
    save_network(path, fusion_network(), {**SHAPE, "kind": "other"}, METADATA)
    unknown_kind = path.read_bytes()
    damaged = [
        whole[: len(whole) // 2],
        whole[:20],
        b"",
        b"no network",
        shapes_differ,
        unknown_kind,
    ]
    for content in [*damaged, None]:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"network\.safetensors: no network") as caught:
            load_network(path)
        assert "\n" not in str(caught.value)
        path.write_bytes(whole)
    load_network(path)


def test_a_plain_network_adopts_its_weights_own_classes(tmp_path: Path) -> None:
    path, x = tmp_path / "weights.pth", torch.randn(2, 3, 64, 64)
    torch.manual_seed(0)
    whole = models.get_model(SMALL, num_classes=1000).eval()
    torch.save(whole.state_dict(), path)
    plain = PlainNetwork(SMALL, path, outputs=1000).eval()
    plain.adopt_head(path)
    with torch.no_grad():
        torch.testing.assert_close(logits(plain(x)[1]), whole(x), rtol=1e-3, atol=1e-5)
    with pytest.raises(InputError, match=r"takes the 1000 classes of .*, and the data set has 7"):
        PlainNetwork(SMALL, path, outputs=7).adopt_head(path)
    torch.save(models.densenet121().state_dict(), path)
    with pytest.raises(InputError, match=r"epochs: 0 needs a backbone .* not densenet121"):
        PlainNetwork("densenet121", path, outputs=1000).adopt_head(path)


def test_the_head_starts_as_he_et_al_have_it() -> None:
    torch.manual_seed(0)
    head = FusionNetwork(SMALL, None, channels=128, outputs=200).head
    assert head.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.02)
    assert not head.bias.any()
