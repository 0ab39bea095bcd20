"""The `isic` command: help that loads nothing heavy, an error in a shell, what a command says."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from stages import DIRECTIONS, INDEX

from isic.process import DEFECT, INTERRUPTED
from isic.provenance.records import record_path

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


def test_a_defect_of_the_program_has_an_exit_status_of_its_own(tmp_path: Path) -> None:
    """And shows where it is; with --debug bad input does, too, and keeps its own."""
    code = (
        "import isic.data.sources.birds.generate as birds; from isic.cli import main\n"
        "birds.generate = lambda *_, **__: 1 / 0\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "birds", tmp_path / "new"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 70
    assert "ZeroDivisionError: division by zero\nisic: this is a defect" in run.stderr
    command = [sys.executable, "-m", "isic.cli", "show", "nowhere.csv", "--debug"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "defect" not in run.stderr


def test_statuses_are_told_where_people_look() -> None:
    lines, _ = help_of()
    told = " ".join(" ".join(lines).split())
    page = " ".join((Path(__file__).parents[2] / "docs/faults.md").read_text("utf-8").split())
    for status in (f"{DEFECT} a defect of the program", f"{INTERRUPTED} interrupted"):
        assert status in told
        assert status in page


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_with_a_closed_stream_does_its_work(closed: str, tmp_path: Path) -> None:
    script = f'"$0" -m isic.cli birds new --train-images 1 --test-images 1 --genera 1 {closed}'
    subprocess.run(["sh", "-c", script, sys.executable], cwd=tmp_path, check=True)
    assert (tmp_path / "new" / "boxes.csv").is_file()


def test_a_rank_that_a_container_sets_silences_nothing(
    run: Path, isic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = isic(*INDEX.split())
    assert done.status == 0
    assert any(line.startswith("written: OUT/index.csv") for line in done.output)
    assert record_path(run / "OUT/index.csv").is_file()


def test_the_number_of_threads_is_set_and_recorded(
    run: Path, isic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where results depend on it; elsewhere it is the default."""
    used: list[int] = []
    monkeypatch.setattr("isic.commands.running.use_threads", used.append)
    settings = []
    for words in (DIRECTIONS, f"{DIRECTIONS} --threads 3"):
        assert isic(*words.split()).status == 0
        record = json.loads(record_path(run / "OUT/directions.h5").read_text("utf-8"))
        settings.append(json.loads(record["settings"])["threads"])
    assert isic(*INDEX.split()).status == 0
    assert used == [4, 3, 4]
    assert settings == [4, 3]
    assert isic(*INDEX.split(), "--threads", 3).status == 2


def test_the_number_of_threads_reaches_the_libraries() -> None:
    """It is set before they are loaded, whatever Snakemake has set. One: any machine has it."""
    code = (
        "import sys; from isic.commands.running import command\n"
        "import isic.commands.method.directions as module\n"
        "module.directions = lambda **_: None\n"
        "assert 'numpy' not in sys.modules\n"
        "click = command('directions'); click.callback(threads=1, settings=None)\n"
        "import torch; print(torch.get_num_threads())"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "7"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stdout == "1\n", run.stderr


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
