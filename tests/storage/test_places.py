"""Files whose place is a link, a device, a pipe, an open file, or nothing that takes one."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from isic.errors import InputError
from isic.storage.files import atomic, check_place, write_json


def fail(path: Path) -> None:
    with atomic(path) as part:
        part.write_text("a part")
        raise RuntimeError


@pytest.mark.parametrize("there", [True, False], ids=["file", "nothing yet"])
def test_a_link_stays_and_what_it_leads_to_is_written(there: bool, tmp_path: Path):
    store, link = tmp_path / "store" / "a.json", tmp_path / "link.json"
    if there:
        store.parent.mkdir()
        store.write_text("old")
    link.symlink_to("store/a.json")
    if there:
        with pytest.raises(RuntimeError):
            fail(link)
        assert store.read_text() == "old"
    write_json(1, link)
    assert link.is_symlink()
    assert json.loads(store.read_text()) == 1
    assert os.listdir(store.parent) == ["a.json"]
    assert {*os.listdir(tmp_path)} == {"store", "link.json"}


@pytest.mark.parametrize("late", [False, True])
def test_a_pipe_is_written_into(late: bool, tmp_path: Path, capsys):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    if late:
        reader = threading.Timer(0.3, reader.run)
    reader.start()
    write_json([1, 2], pipe)
    reader.join(10)
    assert json.loads(got[0]) == [1, 2]
    assert ("waiting for a reader" in capsys.readouterr().err) or not late
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_device_is_written_into_and_stays():
    ours, terminal = os.openpty()
    try:
        name = Path(os.ttyname(terminal))
        before = name.stat()
        write_json("words", name)
        assert "words" in os.read(ours, 100).decode()
        assert (name.stat().st_mode, name.stat().st_ino) == (before.st_mode, before.st_ino)
    finally:
        os.close(ours)
        os.close(terminal)


def test_a_device_gets_nothing_of_what_fails(tmp_path: Path):
    file = tmp_path / "file"
    with file.open("w") as opened, pytest.raises(RuntimeError):
        fail(Path(f"/dev/fd/{opened.fileno()}"))
    assert file.read_text() == ""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_file_is_written_where_it_stands(name: str, tmp_path: Path):
    """Also where it is a file, to whose end the shell appends."""
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("Linux's")
    code = "from isic.storage.files import write_json; print('before'); "
    code += f"write_json(1, {name!r}); print('after')"
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, stdout=subprocess.PIPE).stdout == b"before\n1\nafter\n"
    file = tmp_path / "file"
    file.write_text("first\n")
    with file.open("a") as end:
        subprocess.run(words, stdout=end, check=True)
    assert file.read_text() == "first\nbefore\n1\nafter\n"
    assert os.listdir(tmp_path) == ["file"]


def test_what_takes_no_file_is_refused_beforehand(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(os.path.relpath(tmp_path / "socket"))
        with pytest.raises(InputError, match="is a socket"):
            check_place(tmp_path / "socket")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop: Too many levels"):
        check_place(tmp_path / "loop")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is no folder"):
        check_place(tmp_path / "file" / "a.csv")
    with (tmp_path / "file").open() as read, pytest.raises(InputError, match="not open for wri"):
        check_place(Path(f"/dev/fd/{read.fileno()}"))
    closed = os.dup(0)
    os.close(closed)
    with pytest.raises(InputError, match="not open for writing"):
        check_place(Path(f"/dev/fd/{closed}"))
    for place in ("new/folder/a.csv", "file", ""):
        check_place(tmp_path / place)
