"""A good run's files, of the first stages, small; `test_bad_input.py` says what is done to them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import status
from networks import SMALL, fusion_network, pictures
from PIL import Image
from stages import DIRECTIONS, FEATURES, IMAGES, INDEX, MASKS
from torchvision import models

from isic.networks.files import save_network
from isic.provenance.records import recording


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index, images, a network, maps, directions, masks, weights, top-k."""
    folder = tmp_path_factory.mktemp("good")
    for name, image in zip("abcdef", pictures(6, 70), strict=True):
        path = folder / "source" / ("one" if name < "d" else "two") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    shape = {"kind": "fusion", "backbone": SMALL, "channels": 8, "outputs": 2}
    network = folder / "classifier.safetensors"
    save_network(network, fusion_network(outputs=2), shape, {})
    with recording(network, {}, network):
        pass
    torch.save(models.get_model(SMALL, weights=None).state_dict(), folder / "weights.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in (INDEX, IMAGES, FEATURES, DIRECTIONS, MASKS):
            assert status(*command.replace("OUT/", "").split()) == 0
    topk = pd.read_csv(folder / "index.csv")[["image_id"]].assign(class1="one", p1=1.0)
    topk.to_csv(folder / "topk.csv", index=False)
    return folder


@pytest.fixture
def run(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, where the commands run."""
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
