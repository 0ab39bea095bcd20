"""The `isic` command: help that loads nothing heavy, an error in a shell, what a command says."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

HEAVY = {"torch", "torchvision", "numpy", "pandas", "h5py", "scipy", "sklearn", "PIL", "matplotlib"}
COMMANDS = Path(__file__).parents[2] / "isic/commands"


def help_of(*words: str) -> tuple[list[str], set[str]]:
    """The lines of a help, and the modules that were loaded for it."""
    code = (
        "import atexit, json, sys; from isic.cli import main; "
        "atexit.register(lambda: print(json.dumps([*sys.modules]))); main()"
    )
    command = [sys.executable, "-c", code, *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *lines, modules = done.stdout.splitlines()
    return lines, set(json.loads(modules))


def seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_is_light_and_names_every_stage() -> None:
    before = seconds_of_children()
    lines, loaded = help_of()
    assert seconds_of_children() - before < 0.5  # processor time; 0.1 where this was measured
    assert not loaded & HEAVY
    assert "isic.training.loop" not in loaded
    files = [path for path in COMMANDS.glob("*/*.py") if path.stem != "__init__"]
    names = {"figure" if path.parent.name == "figure" else path.stem for path in files}
    assert len(names) > 20
    assert names <= {line.split()[0] for line in lines if line.startswith("  ") and line.split()}


@pytest.mark.parametrize("stage", ["classifier", "masks", "maps"])
def test_help_of_a_stage_is_light(stage: str) -> None:
    lines, loaded = help_of(stage)
    assert not loaded & HEAVY
    assert any("--help" in line for line in lines)


def test_an_error_shows_no_traceback_to_the_shell() -> None:
    command = [sys.executable, "-m", "isic.cli", "index", "nowhere", "a", "b"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("isic: nowhere")
    assert len(run.stderr.splitlines()) == 1


def test_images_without_a_box_are_a_warning_and_what_is_written_is_named(
    tmp_path: Path, isic
) -> None:
    index = tmp_path / "index.csv"
    ids = ["test/a/4.jpg", "test/b/5.jpg"]
    table = pd.DataFrame({"image_id": ids, "split": "test", "class": ["a", "b"]})
    table.assign(width=40, height=40, digest="0" * 16).to_csv(index, index=False)
    maps = np.zeros((2, 4, 4), np.float16)
    maps[0, 1, 1] = 1
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = ids
        file["full"] = file["crop"] = maps
        file.attrs.update({"resize": 40, "crop": 32, "relative": False})
    written = tmp_path / "all.csv", tmp_path / "crop.csv"
    run = isic("boxes", index, tmp_path / "maps.h5", *written, "--threshold", 0.5)
    assert run.status == 0
    for path in written:
        assert f"{path.name}: 1 boxes" in run.output
        warning = (
            f"warning: {path.name}: no box in 1 images (test/b/5.jpg): nothing is above the "
            "threshold."
        )
        assert warning in run.output
        assert f"written: {path}, {path.stat().st_size:,} bytes" in run.output
