"""A model that several test modules apply."""

from pathlib import Path

import pytest
import torch
from networks import CLASSES, CROP, SETTINGS, SMALL, fusion_network

from isic.models.files import save_model, save_network


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("networks")
    shape = {"kind": "fusion", "backbone": SMALL, "channels": 8}
    paths = folder / "segmenter.safetensors", folder / "classifier.safetensors"
    network = fusion_network(outputs=1)
    maps = network(torch.rand(4, 3, CROP, CROP))[1]
    with torch.no_grad():  # about half of each map is above the cut, and far from it
        network.head.weight *= 3 / maps.std()
        network.head.bias += (network.head.bias - maps.median()) * 3 / maps.std()
    save_network(paths[0], network, {**shape, "outputs": 1}, {})
    save_network(paths[1], fusion_network(outputs=3), {**shape, "outputs": 3}, {})
    return paths


@pytest.fixture(scope="session")
def model(networks: tuple[Path, Path]) -> Path:
    path = networks[0].parent / "model.safetensors"
    save_model(path, *networks, SETTINGS, CLASSES, {"versions": "{}"})
    return path
