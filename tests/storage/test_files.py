"""Artifacts: whole or not at all, the same bytes for the same content."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from isic.errors import InputError
from isic.storage.files import atomic, write_json
from isic.storage.hdf5 import new_hdf5, open_hdf5, strings
from isic.storage.tables import write_csv


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_atomic_moves_what_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic(path) as part:
        assert part.parent == path.parent  # the same file system, so that moving is atomic
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == {"file.txt"}


def fail(path: Path, error: BaseException) -> None:
    with atomic(path) as part:
        part.write_text("a part")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_leaves_nothing_behind_a_failure(tmp_path: Path, error: type) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(error):
        fail(path, error())
    assert names(tmp_path) == set()
    path.write_text("old")
    with pytest.raises(error):
        fail(path, error())
    assert names(tmp_path) == {"file.txt"}
    assert path.read_text() == "old"


def test_atomic_replaces_the_part_of_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import os, signal; from isic.storage.files import atomic\n"
        f"with atomic({str(path)!r}) as part:\n"
        "    part.write_text('a part'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    with atomic(path) as part:
        assert not part.exists()
        part.write_text("new")
    assert path.read_text() == "new"
    assert names(tmp_path) == {"file.txt"}


def test_atomic_without_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic(path):
        pass
    assert path.read_text() == "old"


def fail_in_hdf5(path: Path) -> None:
    with new_hdf5(path, {}) as file:
        file["image_id"] = [1]
        raise OSError("disk full")


def test_hdf5_is_written_whole_and_the_same(tmp_path: Path) -> None:
    def write(name: str) -> bytes:
        with new_hdf5(tmp_path / name, {"settings": "{}", "scale": 0.5}) as file:
            assert not (tmp_path / name).exists()
            file["image_id"] = np.array(["ä", "b"], object)
            file.create_dataset("mask", data=np.eye(50, dtype=np.uint8), compression="gzip")
        return (tmp_path / name).read_bytes()

    assert write("a.h5") == write("b.h5")
    with open_hdf5(tmp_path / "a.h5") as file:
        assert file.attrs["scale"] == 0.5
        assert strings(file["image_id"]).tolist() == ["ä", "b"]
        np.testing.assert_array_equal(file["mask"], np.eye(50))
    with pytest.raises(OSError, match="disk"):
        fail_in_hdf5(tmp_path / "a.h5")
    assert names(tmp_path) == {"a.h5", "b.h5"}
    with h5py.File(tmp_path / "a.h5") as file:
        assert "mask" in file


def test_a_damaged_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with new_hdf5(path, {}) as file:
        file["x"] = np.arange(1000)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no HDF5"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"file\.h5: cannot be read.*again"), open_hdf5(path):
            pass
    path.unlink()
    with pytest.raises(InputError, match=r"file\.h5: does not exist"), open_hdf5(path):
        pass


def test_tables_survive_the_trip(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(50) * 10.0 ** np.arange(-25, 25)
    table = pd.DataFrame({"image_id": [f"é, {i}.jpg" for i in range(50)], "x0": values})
    write_csv(table, tmp_path / "a.csv")
    found = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    write_csv(table.to_dict("records"), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


def test_json_is_written_whole(tmp_path: Path) -> None:
    content = {"model": "λ", "gt_known": 0.1 + 0.2, "interval": [1, 2]}
    write_json(content, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    with pytest.raises(TypeError):
        write_json({"x": object()}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    assert names(tmp_path) == {"a.json"}


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
