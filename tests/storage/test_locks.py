"""Locks, and machines that have none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from places import killed

from isic.errors import InputError
from isic.storage.files import temporary
from isic.storage.hdf5 import new_hdf5, open_hdf5
from isic.storage.locks import lock, take


def test_one_process_has_it_until_it_ends(tmp_path: Path):
    assert killed(lambda: lock(tmp_path / "lock")) == 0
    lock(tmp_path / "lock")
    assert killed(lambda: os._exit(take(tmp_path / "lock", ""))) == 0
    with pytest.raises(InputError, match="another snakemake works in this folder"):
        lock(tmp_path / "lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_it_is_said_and_goes_on(number: int, tmp_path: Path, monkeypatch, capsys):
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / "lock").touch()  # an earlier run's
    lock(tmp_path / "lock")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"isic: warning: {tmp_path / 'lock'}: the file system has no locks")
    assert os.strerror(number) in line


def test_hdf5_asks_for_no_lock(tmp_path: Path):
    """Each file is locked by another; HDF5's own would be refused."""
    path = tmp_path / "a.h5"
    with temporary(path).open("w") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with new_hdf5(path, {}) as file:
            file["x"] = [1]
    with path.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        with open_hdf5(path) as file:
            assert file["x"][:].tolist() == [1]
