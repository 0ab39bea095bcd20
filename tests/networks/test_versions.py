"""Model and network files of other versions: older ones are read for ever, newer ones are told."""

import json
import lzma
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import SETTINGS, SMALL, fusion_network
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from isic.errors import InputError
from isic.networks.files import load_model, load_network
from isic.networks.fusion import FusionNetwork, PlainNetwork
from isic.product.localizer import Localizer


def kept(name: str, folder: Path) -> Path:
    """A file that code of an earlier version wrote, and that is kept here packed."""
    path = folder / f"{name}.safetensors"
    path.write_bytes(lzma.decompress(Path(__file__).with_name(f"{name}.xz").read_bytes()))
    return path


def test_a_model_without_a_format_number_is_read_for_ever(tmp_path: Path) -> None:
    model = load_model(kept("model-format-1", tmp_path))
    view = {"resize": 72, "crop": 64, "precision": "float32"}
    assert model.settings == {
        "threshold": 0.4, "resize": 80, "crop": 65, "precision": "float32", "recognizer": view
    }  # fmt: skip
    assert model.classes == ["cat", "写真"]
    assert model.metadata == {"versions": "{}"}
    assert isinstance(model.segmenter, FusionNetwork)
    assert isinstance(model.recognizer, PlainNetwork)
    for name, value in (*model.segmenter.named_parameters(), *model.recognizer.named_parameters()):
        assert value.eq(1 if name.endswith(".1.weight") else 0.01).all(), name
    (found,) = Localizer(model, "cpu")(torch.zeros(40, 50, 3, dtype=torch.uint8).numpy())
    assert found.class_name in model.classes


def test_a_network_without_a_format_number_is_read_for_ever(tmp_path: Path) -> None:
    network, metadata = load_network(kept("network-format-1", tmp_path), outputs=1, fused=True)
    assert metadata == {}
    assert network.head.weight.eq(0.01).all()


def header(model: Path) -> dict[str, Any]:
    with safe_open(model, "pt") as file:
        return json.loads(file.metadata()["isic"])


def written(state: dict[str, torch.Tensor], header: Any, path: Path) -> Path:
    save_file(state, path, {"isic": json.dumps(header)})
    return path


def changed(model: Path, folder: Path, *keys: str, **new: Any) -> Path:
    """A model in whose header, at `keys`, something is new; or gone, where it is None."""
    content = header(model)
    place = content
    for key in keys:
        place = place[key]
    place |= new
    for name in [name for name, value in new.items() if value is None]:
        del place[name]
    return written(load_file(model), content, folder / "changed.safetensors")


def test_the_number_is_written(model: Path, networks: tuple[Path, Path]) -> None:
    assert header(model)["format"] == header(networks[0])["format"] == 1
    assert "format" not in load_network(networks[0])[1]


SEGMENTER = ("model", "networks", "segmenter")


@pytest.mark.parametrize(
    ("keys", "gone", "setting", "value"),
    [
        (("model", "settings"), "precision", "precision", "float32"),
        (("model", "settings"), "threshold", "threshold", 0.5),
        (("model", "settings"), "recognizer", "recognizer", {"resize": 80, "crop": 65}),
        (("model", "settings", "recognizer"), "precision", "recognizer", SETTINGS["recognizer"]),
        (SEGMENTER, "channels", "threshold", 0.5),
        (SEGMENTER, "outputs", "threshold", 0.5),
    ],
)
def test_what_an_older_file_lacks_is_as_it_was_then(
    model: Path, tmp_path: Path, keys: tuple[str, ...], gone: str, setting: str, value: Any
) -> None:
    loaded = load_model(changed(model, tmp_path, *keys, **{gone: None}))
    found = loaded.settings[setting]
    assert (found.items() >= value.items()) if isinstance(value, dict) else (found == value)
    image = torch.randint(0, 255, (70, 90, 3), dtype=torch.uint8).numpy()
    (one,), (other,) = Localizer(loaded, "cpu")(image), Localizer.load(model, "cpu")(image)
    assert one.boxes.tolist() == other.boxes.tolist()


@pytest.mark.parametrize(
    ("keys", "new", "what"),
    [
        ((), {"format": 2}, "format 2; this one reads up to 1"),
        (("model", "settings"), {"views": 3}, "its setting 'views'"),
        (("model", "settings", "recognizer"), {"views": 3}, "its setting 'views'"),
        (("model", "settings"), {"precision": "fp8"}, "its precision 'fp8'"),
        (SEGMENTER, {"attention": 3}, "its network's option 'attention'"),
        (SEGMENTER, {"kind": "transformer"}, "its kind of network 'transformer'"),
        (SEGMENTER, {"backbone": "resnet9000"}, "no classification network 'resnet9000'"),
        (SEGMENTER[:2], {"refiner": {}}, "its network 'refiner'"),
    ],
)
def test_what_a_newer_file_has_is_told(
    model: Path, tmp_path: Path, keys: tuple[str, ...], new: dict[str, Any], what: str
) -> None:
    path = changed(model, tmp_path, *keys, **new)
    with pytest.raises(InputError) as caught:
        load_model(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: made by a newer isic (")
    assert what in said
    assert said.endswith("Update isic.")
    assert "\n" not in said


def places(content: Any, *keys: Any) -> Iterator[tuple[Any, ...]]:
    for key, value in content.items() if isinstance(content, dict) else ():
        yield (*keys, key)
        yield from places(value, *keys, key)


@pytest.mark.parametrize("value", ["gone", ["a"], -1.5])
def test_whatever_a_header_holds_is_read_or_told_in_one_line(
    model: Path, tmp_path: Path, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = fusion_network()

    def build(backbone, weights, *, channels, outputs, dropout=0.0) -> FusionNetwork:
        if (backbone, channels) == (SMALL, 8):  # is not built anew each time
            return network
        return FusionNetwork(backbone, weights, channels=channels, outputs=outputs)

    monkeypatch.setattr("isic.networks.files.KINDS", {"fusion": build})
    monkeypatch.setattr("isic.networks.files._part", lambda *_: network.state_dict())
    whole, file = header(model), tmp_path / "odd.safetensors"
    told: list[str] = []
    for keys in places(whole):
        content = deepcopy(whole)
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        if value == "gone":
            del place[keys[-1]]
        written({}, content, file)
        try:
            loaded = load_model(file)
        except InputError as error:  # and nothing else
            told.append(str(error))
        else:
            assert 0 < loaded.settings["threshold"] < 1 <= loaded.settings["recognizer"]["crop"]
    assert len(told) > 5
    for message in told:
        assert message.startswith(f"{file}: ")
        assert "\n" not in message
