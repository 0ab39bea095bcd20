"""The workflow on ImageNet's layout and its 1,000 classes, with few and small images."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import pandas as pd
import pytest
import torch
import yaml
from imagenet_size import make
from networks import SMALL
from torchvision import models
from workflows import SIDE_BY_SIDE

ROOT = Path(__file__).parents[2]
ARM = "lambda~1.0_gamma~0.3_seed~0"
ON_DISK = 2
WEIGHTS = "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
NETWORK = {"backbone": SMALL, "weights": "none", "channels": 16, "epochs": 1}
FEW = {
    "images": {"resize": 40, "crop": 32, "shards": 2},
    "classifier": {**NETWORK, "batches": "random", "classes_per_batch": 50, "images_per_class": 2},
    "features": {"shards": 3, "on_disk": ON_DISK},
    "segmenter": {**NETWORK, "batch_size": 100},
    "recognizer": {
        "backbone": SMALL,
        "weights": WEIGHTS,
        "resize": 64,
        "crop": 64,
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    (folder / "data").mkdir()
    make(folder / "data/imagenet", size=48)
    weights = folder / f"results/weights/{WEIGHTS}.pth"
    weights.parent.mkdir(parents=True)
    torch.save(models.get_model(SMALL, weights=None).state_dict(), weights)
    settings = yaml.safe_dump({"datasets": {"imagenet": FEW}})
    (folder / "small.yaml").write_text(settings, encoding="utf-8")
    return folder


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", *SIDE_BY_SIDE, "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", "small.yaml", "--", "results/imagenet/table1.csv"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_from_images_to_table_with_few_feature_maps_on_disk(folder: Path) -> None:
    results = folder / "results/imagenet"
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, len([*results.glob(f"{ARM}/features/*.h5")]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        finished = run(folder)
    finally:
        done.set()
        watcher.join()
    assert finished.returncode == 0, finished.stdout
    # NMF may be done with one shard before the network has written the next.
    assert 1 <= most <= ON_DISK
    assert not [*results.glob(f"{ARM}/features/*")]
    assert len([*results.glob(f"{ARM}/masks/*.h5")]) == FEW["features"]["shards"]

    table = pd.read_csv(results / "table1.csv")
    measured = table[table["source"] == "measured"]
    assert {"CAM", "BASE", "ISIC (this run)"} < set(measured["model"])
    assert set(measured["images"]) == {1000}
    published = table[(table["source"] == "published") & (table["model"] == "ISIC")]
    assert published["gt_known"].tolist() == [70.01]
    topk = pd.read_csv(results / "topk.csv")
    assert topk["class1"].str.fullmatch(r"n\d{8} \w.*").all()
    # The network that names the classes is not trained here: it gets the images that it names.
    for resize, images in ((40, 3000), (64, 1000)):
        with h5py.File(results / f"images~{resize}.h5") as file:
            assert len(file["image_id"]) == images

    again = run(folder)
    assert "Nothing to be done" in again.stdout, again.stdout
