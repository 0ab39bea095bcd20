"""Folders that are filled: by links, over earlier ones, and whatever is killed on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from places import files, killed

from isic.errors import InputError
from isic.storage import folders
from isic.storage.folders import filled, finish, new_folder

NAMES = ("table", "masks", "extra", "sign")  # of which the new has no extra
OLD = {"table": "old", "masks/1": "old", "masks/2": "old", "extra": "old", "sign": "old"}
NEW = {"table": "new", "masks/1": "new", "sign": "new"}


def write(folder: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def replace(folder: Path) -> None:
    with filled(folder, NAMES) as part:
        assert os.listdir(part) == []
        write(part, NEW)


@pytest.fixture(params=["folder", "link"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder, or a link to one, with OLD and a file of somebody else in it."""
    write(tmp_path / "store", OLD | {"other": "stays"})
    if request.param == "folder":
        return tmp_path / "store"
    (tmp_path / "link").symlink_to("store")
    return tmp_path / "link"


def test_the_old_is_replaced_and_all_else_stays(folder: Path):
    replace(folder)
    assert files(folder) == NEW | {"other": "stays"}
    assert not any(name.startswith(".") for name in os.listdir(folder.parent))


@pytest.mark.parametrize("step", range(7))
def test_what_cannot_be_moved_leaves_the_old(step: int, folder: Path, monkeypatch):
    rename, steps = folders._rename, iter(range(99))

    def failing(source: Path, target: Path) -> None:
        if next(steps) == step:
            raise PermissionError(13, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(folders, "_rename", failing)
    with pytest.raises(PermissionError):
        replace(folder)
    assert files(folder) == OLD | {"other": "stays"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(7))
def test_killed_at_any_move_nothing_is_lost(step: int, after: bool, folder: Path, monkeypatch):
    """What had begun to take its place does so when the folder is used again."""
    rename, steps = folders._rename, iter(range(99))

    def killing(source: Path, target: Path) -> None:
        here = next(steps) == step
        if not here or after:
            rename(source, target)
        if here:
            os._exit(9)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "_rename", killing)
        assert killed(lambda: replace(folder)) == 9
    assert "sign" not in files(folder) or step == 0 or step == 6
    finish(folder, NAMES)
    assert files(folder) == NEW | {"other": "stays"}


def test_killed_while_it_is_written_the_old_stays(folder: Path):
    def half() -> None:
        with filled(folder, NAMES) as part:
            write(part, NEW)
            os._exit(9)

    assert killed(half) == 9
    finish(folder, NAMES)
    assert {name: text for name, text in files(folder).items() if name[0] != "."} == OLD | {
        "other": "stays"
    }
    replace(folder)
    assert files(folder) == NEW | {"other": "stays"}


def test_a_link_within_is_refused_before_the_work(folder: Path):
    (folder / "masks").rename(folder / "elsewhere")
    (folder / "masks").symlink_to("elsewhere")
    with pytest.raises(InputError, match=r"masks: is a link or a mount point"):
        replace(folder)
    assert (folder / "elsewhere/1").read_text() == "old"


@pytest.mark.parametrize("there", ["nothing", "folder", "lost+found", "link", "link to nothing"])
def test_a_new_folder(there: str, tmp_path: Path):
    path = tmp_path / "new"
    if there.startswith("link"):
        path.symlink_to("deep/store")
    if there in ("folder", "link", "lost+found"):
        path.resolve().mkdir(parents=True)
    if there == "lost+found":
        (path / there).mkdir()

    def fill(end: bool) -> None:
        with new_folder(path) as part:
            write(part, {"a/1": "1", "b": "2"})
            if end:
                os._exit(9)

    assert killed(lambda: fill(True)) == 9
    fill(False)
    assert files(path) == {"a/1": "1", "b": "2"}
    assert path.is_symlink() == there.startswith("link")
    with pytest.raises(InputError, match="holds something already"):
        fill(False)
    assert not [name for name in os.listdir(path.resolve().parent) if name.endswith(".part")]
