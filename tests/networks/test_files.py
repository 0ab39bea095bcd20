"""The files that networks are kept in, and what a network begins with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from networks import SMALL, fusion_network, plain_network
from torchvision import models

from isic.errors import InputError
from isic.networks.files import load_model, load_network, save_network
from isic.networks.fusion import FusionNetwork, PlainNetwork, logits

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
    for content in [whole[: len(whole) // 2], whole[:20], b"", b"no network", shapes_differ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"network\.safetensors: no network") as caught:
            load_network(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    load_network(path)
    path.unlink()
    with pytest.raises(InputError, match=r"network\.safetensors: does not exist"):
        load_network(path)


def test_a_model_with_a_plain_segmenter_is_refused(tmp_path: Path) -> None:
    shape = {"kind": "plain", "backbone": SMALL, "outputs": 1}
    header = {"networks": {"segmenter": shape}, "settings": {}, "classes": []}
    state = {f"segmenter.{k}": v for k, v in plain_network(outputs=1).state_dict().items()}
    metadata = {"isic": json.dumps({"model": header})}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", metadata)
    with pytest.raises(InputError, match=r"\(its segmenter is a plain network\)"):
        load_model(tmp_path / "model.safetensors")


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
