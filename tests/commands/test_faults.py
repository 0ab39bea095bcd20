"""A full disk, a read-only folder, a file that is gone or cut short: one line, and no damage.

The disk is a small file system of its own where root may mount one. Everywhere, a limit on the size
of files stands for it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from networks import fusion_network, pictures
from PIL import Image

from isic.cli import main
from isic.errors import WriteError
from isic.networks.files import save_network
from isic.provenance.records import record_path, write_record
from isic.storage.hdf5 import new_hdf5
from isic.training.checkpoint import Checkpoint

ISIC = [sys.executable, "-m", "isic.cli"]
MOUNT = ["unshare", "--mount", "sh", "-c"]


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run([*MOUNT, "mount -t tmpfs tmpfs /mnt"], capture_output=True)
    return tried.returncode == 0


mounted = pytest.mark.skipif(not may_mount(), reason="may not mount a file system")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inputs of some stages: 24 images, a network, feature maps, directions."""
    folder = tmp_path_factory.mktemp("run")
    for name, image in zip("abcdefghijklmnopqrstuvwx", pictures(24, 96), strict=True):
        path = folder / "source" / f"class {name <= 'l'}" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    for command in (["index", "source", "index.csv", "truth.csv"], IMAGES):
        subprocess.run([*ISIC, *command], cwd=folder, check=True, capture_output=True)
    network = fusion_network(outputs=2)
    shape = {"kind": "fusion", "backbone": network.backbone.name, "channels": 8, "outputs": 2}
    save_network(folder / "classifier.safetensors", network, shape, {})
    write_record(folder / "classifier.safetensors", {}, folder / "classifier.safetensors")
    for command in (FEATURES, ["directions", "features.h5", "directions.h5"]):
        subprocess.run([*ISIC, *command], cwd=folder, check=True, capture_output=True)
    return folder


IMAGES = ["images", "index.csv", "source", "images.h5", "--resize", "96"]
FEATURES = ["features", "index.csv", "images.h5", "classifier.safetensors", "features.h5"]
FEATURES += ["--crop", "64"]

# Commands whose output, the last word, does not fit into what is left.
COMMANDS = {
    "hdf5": ["images", "--resize", "96", "index.csv", "source", "OUT/images.h5"],
    "chunks": [*FEATURES[:4], "--crop", "64", "OUT/features.h5"],
    "gzip": ["masks", "features.h5", "directions.h5", "--size", "512", "OUT/masks.h5"],
    "csv": ["index", "source", "truth.csv", "OUT/index.csv"],
    "folder": ["birds", "OUT/source"],
}


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command ends with."""
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line and "/s]" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("isic: ")
    return lines[0]


def arranged(command: list[str]) -> list[str]:
    if command[0] == "index":  # its outputs are index.csv, truth.csv
        return [*ISIC, "index", "source", command[-1], "OUT/truth.csv"]
    return [*ISIC, *command]


@mounted
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_full_disk(run: Path, kind: str, tmp_path: Path):
    """One line with the file and the remedy, nothing left; with room, the same command succeeds."""
    shutil.copytree(run, tmp_path / "run")
    out = tmp_path / "run" / "OUT"
    out.mkdir()
    small = "mount -t tmpfs -o size=64k tmpfs OUT && head -c 61000 /dev/zero > OUT/others; "
    small += '"$@"; code=$?; ls -A OUT > left; exit $code'
    done = subprocess.run(
        [*MOUNT, small, "sh", *arranged(COMMANDS[kind])],
        cwd=tmp_path / "run",
        capture_output=True,
        text=True,
    )
    line = said(done)
    name = COMMANDS[kind][-1]
    assert "No space left on device). Make room there, then run the same command again." in line
    assert name in line or "OUT/truth.csv" in line
    assert "Traceback" not in done.stderr
    left = (tmp_path / "run" / "left").read_text().split()
    assert set(left) <= {"others", "truth.csv"}
    done = subprocess.run(arranged(COMMANDS[kind]), cwd=tmp_path / "run", capture_output=True)
    assert done.returncode == 0


@pytest.mark.parametrize("kind", COMMANDS)
def test_no_room_for_a_file(run: Path, kind: str, tmp_path: Path):
    """As on a full disk, wherever the tests run: no file may be larger than 100 bytes."""
    shutil.copytree(run, tmp_path / "run")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = subprocess.run(
        arranged(COMMANDS[kind]),
        cwd=tmp_path / "run",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )
    assert "File too large). Raise the limit" in said(done)
    out = tmp_path / "run" / "OUT"
    assert not out.exists() or set(os.listdir(out)) <= {"truth.csv"}


@pytest.mark.parametrize("kind", ["network", "checkpoint"])
def test_no_room_for_weights(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The former file stays as it was."""
    network = torch.nn.Linear(300, 300)

    def save() -> None:
        if kind == "network":
            save_network(tmp_path / "a", network, {}, {})
        else:
            Checkpoint(tmp_path / "a", {}).save({"network": network.state_dict()})

    save()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"a(\.checkpoint)?: cannot be written \(File too"):
            save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@mounted
def test_a_read_only_folder(run: Path, tmp_path: Path):
    command = ["directions", str(run / "features.h5"), "OUT/directions.h5"]
    (tmp_path / "OUT").mkdir()
    read_only = 'mount -t tmpfs -o ro tmpfs OUT && exec "$@"'
    for out in ("OUT", "OUT/new"):
        command[-1] = f"{out}/directions.h5"
        done = subprocess.run(
            [*MOUNT, read_only, "sh", *ISIC, *command], cwd=tmp_path, capture_output=True, text=True
        )
        line = said(done)
        assert "OUT" in line
        assert "writable" in line


@mounted
def test_a_workflow_in_a_read_only_folder(tmp_path: Path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--cores", "1", "--directory", str(tmp_path)]
    read_only = f"mount -t tmpfs -o ro tmpfs '{tmp_path}' && exec \"$@\""
    done = subprocess.run([*MOUNT, read_only, "sh", *command], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"isic: {tmp_path}: is read-only" in done.stderr
    assert "Traceback" not in done.stderr


def outcome(
    arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says that fails, run in this process."""
    monkeypatch.setattr(sys, "argv", ["isic", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    return capsys.readouterr().err


STAGES = {
    "index.csv": ["images", "index.csv", "source", "OUT/new.h5", "--resize", "96"],
    "images.h5": [*FEATURES[:4], "OUT/new.h5", "--crop", "64"],
    "classifier.safetensors": [*FEATURES[:4], "OUT/new.h5", "--crop", "64"],
    "features.h5": ["directions", "features.h5", "OUT/new.h5"],
    "directions.h5": ["masks", "features.h5", "directions.h5", "OUT/new.h5", "--size", "96"],
}


@pytest.mark.parametrize("harm", ["gone", "half", "empty", "a bit", "half, no record"])
@pytest.mark.parametrize("name", STAGES)
def test_an_input_that_is_gone_or_damaged(
    run: Path,
    name: str,
    harm: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    whole = Path(name).read_bytes()
    middle = len(whole) * 2 // 3
    if harm == "gone":
        Path(name).unlink()
    elif harm == "a bit":
        Path(name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    else:
        Path(name).write_bytes(b"" if harm == "empty" else whole[:middle])
    if harm == "half, no record":
        record_path(name).unlink()
    error = outcome(STAGES[name], monkeypatch, capsys)
    lines = [line for line in error.splitlines() if line.startswith("isic:")]
    assert len(lines) == 1
    assert "Traceback" not in error
    assert name in lines[0]
    assert not Path("OUT").exists() or not any(Path("OUT").iterdir())
    Path(name).write_bytes(whole)
    monkeypatch.setattr(sys, "argv", ["isic", *STAGES[name]])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_an_edited_input_serves_when_its_record_is_deleted(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """As the line says that refuses it."""
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    index = Path("index.csv")
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))  # an image less
    error = outcome(STAGES["index.csv"], monkeypatch, capsys)
    assert "isic: index.csv: is not as it was written, so damaged or edited. Delete it" in error
    assert "to have it used as it is, delete .index.csv.made.json." in error
    record_path(index).unlink()
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    with h5py.File("OUT/new.h5") as file:
        assert len(file["images"]) == 23


def test_debug_shows_where_an_error_arose(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["isic", "show", "nowhere.csv", "--debug"])
    with pytest.raises(Exception, match=r"nowhere\.csv: no such file"):
        main()


def test_a_defect_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("isic.data.sources.birds.generate.generate", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["isic", "birds", str(tmp_path / "new")])
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory. Lower batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: …"), "not enough memory"),
        (PermissionError(13, "Permission denied", "a.csv"), "a.csv: Permission denied."),
    ],
    ids=["memory", "torch", "permission"],
)
def test_what_the_machine_says_is_one_line(
    error: Exception,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("isic.data.sources.birds.generate.generate", fail)
    assert f"isic: {message}" in outcome(["birds", tmp_path / "new"], monkeypatch, capsys)


def test_two_writers_never_share_a_temporary_file(tmp_path: Path):
    """A second process writes and finishes while this one is half done."""
    with new_hdf5(tmp_path / "a.h5", {}) as file:
        file["x"] = np.arange(1000)
        other = "from isic.storage.hdf5 import new_hdf5\nwith new_hdf5('a.h5', {}) as f: f['y'] = 1"
        subprocess.run([sys.executable, "-c", other], cwd=tmp_path, check=True)
        with h5py.File(tmp_path / "a.h5") as found:
            assert list(found) == ["y"]
    with h5py.File(tmp_path / "a.h5") as found:
        assert list(found) == ["x"]
    assert os.listdir(tmp_path) == ["a.h5"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    write = (
        "import os, signal; from isic.storage.files import atomic\n"
        "with atomic('a.csv') as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".part")
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "b.csv")
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from isic.storage.files import write_json; write_json(1, 'a.csv')",
        ],
        cwd=tmp_path,
        check=True,
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}
