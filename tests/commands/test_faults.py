"""A full disk, a read-only folder, a defect: one line, and no damage.

The disk is a small file system of its own where root may mount one. Everywhere, a limit on the size
of files stands for it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch
from commands import started
from places import MOUNT, may_mount
from stages import DIRECTIONS, FEATURES, IMAGES, INDEX, MASKS

from isic.errors import InputError, WriteError
from isic.networks.files import save_network
from isic.provenance.records import record_path
from isic.training.checkpoint import Checkpoint

mounted = pytest.mark.skipif(not may_mount(), reason="may not mount a file system")
COMMANDS = {  # whose outputs do not fit into what is left
    "hdf5": IMAGES,
    "chunks": FEATURES,
    "gzip": MASKS,
    "csv": INDEX,
    "folder": "birds OUT/source --train-images 2 --test-images 1",
}
# One of them tells as much as all in a hurry.
KINDS = [kind if kind == "csv" else pytest.param(kind, marks=pytest.mark.slow) for kind in COMMANDS]


@mounted
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk(run: Path, kind: str):
    """One line with the file and the remedy, nothing left; with room, the same command succeeds."""
    (run / "OUT").mkdir()
    small = "mount -t tmpfs -o size=64k tmpfs OUT && head -c 61000 /dev/zero > OUT/others; "
    small += '"$@"; code=$?; ls -A OUT > left; exit $code'
    done = started(COMMANDS[kind], run, *MOUNT, small, "sh")
    line = done.only_line
    assert done.status == 1
    assert "No space left on device). Make room there, then run the same command again." in line
    assert any(word in line for word in COMMANDS[kind].split() if word.startswith("OUT/"))
    assert set((run / "left").read_text().split()) <= {"others", "truth.csv"}
    assert started(COMMANDS[kind], run).status == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_room_for_a_file(run: Path, kind: str):
    """As on a full disk, wherever the tests run: no file may be larger than 100 bytes."""
    if any(name.startswith("COVERAGE_PROCESS") for name in os.environ):
        pytest.skip("coverage's own file has no room either")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = started(COMMANDS[kind], run, preexec_fn=limit)
    assert done.status == 1
    assert "File too large). Raise the limit" in done.only_line
    assert not (run / "OUT").exists() or set(os.listdir(run / "OUT")) <= {"truth.csv"}


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
def test_a_read_only_folder(run: Path):
    (run / "OUT").mkdir()
    read_only = 'mount -t tmpfs -o ro tmpfs OUT && exec "$@"'
    for command in (DIRECTIONS, DIRECTIONS.replace("OUT/", "OUT/new/")):
        done = started(command, run, *MOUNT, read_only, "sh")
        assert done.status == 1
        assert "OUT" in done.only_line
        assert "writable" in done.only_line


@mounted
@pytest.mark.slow
def test_a_workflow_in_a_read_only_folder(tmp_path: Path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--cores", "1", "--directory", str(tmp_path)]
    read_only = f"mount -t tmpfs -o ro tmpfs '{tmp_path}' && exec \"$@\""
    done = subprocess.run([*MOUNT, read_only, "sh", *command], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"isic: {tmp_path}: is read-only" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_edited_input_serves_when_its_record_is_deleted(run: Path, isic):
    """As the line says that refuses it."""
    index = run / "index.csv"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))  # an image less
    line = isic(*IMAGES.split()).only_line
    assert "isic: index.csv: is not as it was written, so damaged or edited. Delete it" in line
    assert "to have it used as it is, delete .index.csv.made.json." in line
    record_path(index).unlink()
    assert isic(*IMAGES.split()).status == 0
    with h5py.File("OUT/images.h5") as file:
        assert len(file["images"]) == 5


def test_debug_shows_where_an_error_arose(isic):
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        isic("show", "nowhere.csv", "--debug")


def test_a_defect_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path, isic):
    monkeypatch.setattr("isic.data.sources.birds.generate.generate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        isic("birds", tmp_path / "new")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory. Lower batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: …"), "not enough memory"),
        (PermissionError(13, "Permission denied", "a.csv"), "a.csv: Permission denied."),
        (OSError(18, "Cross-device", "a.part", None, "a"), "a: Invalid cross-device link. Fix"),
        (OSError(24, "Too many", "a.csv"), "a.csv: Too many open files. Raise the limit of open"),
        (OSError("Can't read (file read failed: filename = 'a.h5', errno = 116)"), "a.h5: Stale"),
        (OSError(71, "Protocol error"), "a file that the system does not name: Protocol error."),
    ],
    ids=["memory", "torch", "permission", "move", "files", "hdf5", "no name"],
)
def test_what_the_machine_says_is_one_line(
    error: Exception, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isic
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("isic.data.sources.birds.generate.generate", fail)
    done = isic("birds", tmp_path / "new")
    assert done.status == 1
    assert f"isic: {message}" in done.only_line
