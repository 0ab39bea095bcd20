"""The `isic` command: help that loads nothing heavy, errors of one line."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from networks import SMALL, fusion_network

from isic.networks.files import save_network
from isic.storage.hdf5 import new_hdf5

HEAVY = ("torch", "torchvision", "numpy", "pandas", "h5py", "scipy", "sklearn", "PIL", "matplotlib")
STAGES = """
init check predict export birds fetch unpack weights index images image-shard join-shards
similarity classifier features
directions masks segmenter recognizer topk maps boxes scores trivial model risk-coverage table1
ablation
figure-localization figure-similarity figure-loss-curves figure-similar-classes summary
"""


def seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_is_light_and_names_every_stage() -> None:
    code = (
        "import json, sys\n"
        "from isic.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    before = seconds_of_children()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seconds_of_children() - before < 0.5  # processor time; 0.1 where this was measured
    *text, modules = run.stdout.splitlines()
    loaded = set(json.loads(modules))
    assert not loaded & set(HEAVY)
    assert "isic.training.loop" not in loaded
    commands = {line.split()[0] for line in text if line.startswith("  ") and line.split()}
    assert set(STAGES.split()) <= commands


@pytest.mark.parametrize("stage", ["classifier", "masks", "maps"])
def test_help_of_a_stage_is_light(stage: str) -> None:
    code = (
        f"import sys\nfrom isic.cli import app\napp([{stage!r}, '--help'], standalone_mode=False)\n"
    )
    code += f"sys.exit(len(set({HEAVY!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "--help" in run.stdout


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A data set of six images, a network for it, and its feature maps."""
    folder = tmp_path
    paths = {
        "index": folder / "index.csv",
        "images": folder / "images.h5",
        "network": folder / "network.safetensors",
        "features": folder / "features.h5",
        "similarity": folder / "similarity.h5",
        "out": folder / "out.h5",
        "curves": folder / "curves.csv",
    }
    splits, classes = ["train"] * 4 + ["test"] * 2, list("aabbab")
    ids = [f"{s}/{c}/{i}.jpg" for i, (s, c) in enumerate(zip(splits, classes, strict=True))]
    table = pd.DataFrame({"image_id": ids, "split": splits, "class": classes})
    table.assign(width=40, height=40, digest="0" * 16).to_csv(paths["index"], index=False)
    with new_hdf5(paths["images"], {"resize": 40}) as file:
        file["image_id"] = np.array(ids, object)
        file["images"] = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), np.uint8)
    with h5py.File(paths["features"], "w") as file:
        file["image_id"] = np.array(ids[:4], object)
        file["label"] = [0, 0, 1, 1]
        file["features"] = np.ones((4, 5, 5, 8), np.float16)
    with h5py.File(paths["similarity"], "w") as file:
        file["similarity"], file["class"] = np.eye(2), np.array(["a", "b"], object)
    shape = {"kind": "fusion", "backbone": SMALL, "channels": 8, "outputs": 2}
    save_network(paths["network"], fusion_network(outputs=2), shape, {})
    return paths


TRAIN = "{index} {images} {out} {curves} --crop 32 --epochs 1"
ERRORS = {
    "index . {out} {curves} --type foo": "--type foo: must be folder, cub or imagenet",
    "index . {out} {curves} --unreadable foo": "foo",
    "maps {index} {images} {network} {out} --kind foo --crop 32": "foo",
    "maps {index} {images} {network} {out} --kind nmf --crop 32": "--directions",
    "maps {index} {images} {network} {out} --kind cam --crop 48": "crop (48) is larger",
    "directions {features} {out} --solver foo": "foo",
    "masks {features} missing.h5 {out}": "missing.h5",
    "masks {features} {features} {out} --foreground 0.1 --background 0.2": "masks.background (0.2)",
    "similarity {index} {images} {out} --crop 32": "--weights",
    f"recognizer {TRAIN} --backbone resnet19": "resnet19",
    f"recognizer {TRAIN} --weights missing.pth --backbone {SMALL}": "missing.pth",
    f"recognizer {TRAIN} --precision foo --backbone {SMALL}": "foo",
    f"classifier {TRAIN} --lam 1 --backbone {SMALL}": "--similarity",
    f"classifier {TRAIN} --batches foo --similarity {{similarity}} --backbone {SMALL}": "foo",
    "topk {index} {images} {images} {out} --crop 32": "images.h5",
    "fetch http://127.0.0.1:9/x {out} --checksum foo": "foo",
}


@pytest.mark.parametrize("words", ERRORS)
def test_an_error_is_one_line(words: str, files: dict[str, Path], isic) -> None:
    run = isic(*words.format(**files).split())
    assert run.status == 1
    message = [line for line in run.error if line and "it/s]" not in line]  # no progress bar
    assert len(message) == 1
    assert message[0].startswith("isic: ")
    assert ERRORS[words] in message[0]
    for name in ("out", "curves"):
        assert not files[name].exists()


def test_an_error_shows_no_traceback_to_the_shell() -> None:
    command = [sys.executable, "-m", "isic.cli", "index", ".", "a", "b", "--type", "foo"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("isic: --type foo")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("words", ["--foregroud 0.2", "--foreground -1", "--foreground much"])
def test_an_option_that_is_wrong_is_named(words: str, isic) -> None:
    run = isic("masks", "a", "b", "c", *words.split())
    assert run.status != 0
    assert words.split()[0] in " ".join(run.error)
    assert not any("Traceback" in line for line in run.error)


def test_images_without_a_box_are_a_warning_and_what_is_written_is_named(
    files: dict[str, Path], isic
) -> None:
    maps = np.zeros((2, 4, 4), np.float16)
    maps[0, 1, 1] = 1
    with h5py.File(files["out"], "w") as file:
        file["image_id"] = ["test/a/4.jpg", "test/b/5.jpg"]
        file["full"] = file["crop"] = maps
        file.attrs.update({"resize": 40, "crop": 32, "relative": False})
    folder = files["out"].parent
    written = folder / "all.csv", folder / "crop.csv"
    run = isic("boxes", files["index"], files["out"], *written, "--threshold", 0.5)
    assert run.status == 0
    for name in ("all.csv", "crop.csv"):
        assert f"{name}: 1 boxes" in run.output
        warning = (
            f"warning: {name}: no box in 1 images (test/b/5.jpg): nothing is above the threshold."
        )
        assert warning in run.output
        size = (folder / name).stat().st_size
        assert f"written: {folder / name}, {size:,} bytes" in run.output
