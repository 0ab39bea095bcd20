"""The segmenter as ONNX: what ONNX Runtime gives, what the file tells, what is refused."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import CROP, SETTINGS, calibrated

from isic import InputError
from isic.networks.files import Model
from isic.networks.fusion import FusionNetwork
from isic.product.onnx import Sigmoid, difference, export_onnx


def built(seed: int, backbone: str = "resnet18") -> FusionNetwork:
    """Not the shared one, whose sigmoid is so steep that it shows float32's last digits."""
    torch.manual_seed(seed)
    network = calibrated(FusionNetwork(backbone, None, channels=8, outputs=1))
    with torch.no_grad():
        network.head.weight.mul_(0.2)  # of 8 channels, a head starts four times as large as of 128
    return network


pytestmark = pytest.mark.slow  # torch's exporter is


@pytest.fixture(scope="module", params=["resnet18", "timm/tf_efficientnet_lite0"])
def segmenter(request: pytest.FixtureRequest) -> Model:
    return Model(built(0, request.param), None, SETTINGS, [], {})


@pytest.fixture(scope="module")
def exported(segmenter: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "segmenter.onnx"
    assert export_onnx(segmenter, path) < 1e-4
    return path


@pytest.mark.parametrize("shape", [(1, CROP, CROP), (3, CROP, CROP), (2, 97, 129), (5, 64, 40)])
def test_onnx_runtime_gives_what_torch_gives(
    shape: tuple[int, int, int], exported: Path, segmenter: Model
) -> None:
    n, height, width = shape
    images = np.random.default_rng(0).random((n, 3, height, width), np.float32)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (maps,) = session.run(None, {"images": images})
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        x = (torch.from_numpy(images) - mean) / std
        expected = segmenter.segmenter(x)[1].sigmoid()[:, 0].numpy()
    assert maps.shape == expected.shape
    assert np.abs(maps - expected).max() < 1e-4
    assert maps.std() > 0.01


def test_the_onnx_file_tells_what_it_wants(exported: Path) -> None:
    proto = onnx.load(exported)
    onnx.checker.check_model(proto, full_check=True)
    (images,), (maps,) = proto.graph.input, proto.graph.output
    assert (images.name, maps.name) == ("images", "maps")
    sizes = images.type.tensor_type.shape.dim
    assert [bool(size.dim_param) for size in sizes] == [True, False, True, True]
    facts = {item.key: item.value for item in proto.metadata_props}
    assert facts["side"] == str(CROP)
    assert facts["threshold"] == str(SETTINGS["threshold"])


def test_another_network_is_told_from_the_exported_one(exported: Path, segmenter: Model) -> None:
    assert difference(exported, Sigmoid(segmenter.segmenter).eval(), CROP) < 1e-4
    other = built(1)
    assert difference(exported, Sigmoid(other).eval(), CROP) > 1e-2


def test_an_export_that_differs_is_not_kept(exported: Path, tmp_path: Path, monkeypatch) -> None:
    proto = onnx.load(exported)
    del proto.metadata_props[:]
    program = SimpleNamespace(save=lambda path: onnx.save(proto, path))
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: program)
    other = Model(built(1), None, SETTINGS, [], {})
    with pytest.raises(InputError, match=r"x\.onnx: ONNX Runtime differs from torch by"):
        export_onnx(other, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_onnx_that_is_not_installed_is_named(segmenter: Model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="the export needs onnxruntime: pip install onnx"):
        export_onnx(segmenter, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
