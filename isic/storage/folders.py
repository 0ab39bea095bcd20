"""Folders that are filled when what goes into them is whole, wherever they lie.

A folder that is not there yet is made beside its place and moved. One that is there may be a link,
a mount point, or in a folder of others: it is not replaced, and what goes into it is made within.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from isic.errors import InputError
from isic.storage.faults import writing
from isic.storage.files import left_over, make_folder, temporary

OLD = "old"  # within a temporary folder: what the new replaces, while it is moved into place
EMPTY = {"lost+found"}  # of an empty disk


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder whose content becomes that of `path`, new or empty, at the block's good end.

    Raises:
        InputError: it holds something, or there is a file in its place.
    """
    path = Path(path)
    if path.is_dir():
        finish(path, ())
    if path.exists():
        ours = {old.name for old in left_over(_within(path))}
        if not path.is_dir() or set(os.listdir(path)) - EMPTY - ours:
            raise InputError(f"{path}: holds something already. Delete it, or name another folder.")
    with filled(path) as part:
        yield part


@contextmanager
def filled(folder: Path, names: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a new folder; what is in it is moved into `folder` when the block ends well.

    Of what `folder` holds, `names` are replaced, and are there until the new can take their place;
    all else stays. The first of `names` is always among the new. The last is the sign, for readers,
    that they are whole: it goes first and comes last.

    Raises:
        InputError: there is a file in its place, or one of `names` is a link or a mount point.
        WriteError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file. Name a folder.")
    place = Path(os.path.realpath(folder))
    there = place.is_dir()
    make_folder(place.parent)
    with writing(folder):
        if there:
            finish(folder, names)
            _check_replaceable(folder, names)
        part = temporary(place)
        if there:
            part = temporary(_within(place))
        make_folder(part)
        try:
            yield part
            if there:
                _move(part, place, names)
            else:
                part.replace(place)
        finally:
            if not (part / OLD).exists():  # else it could not be put back
                shutil.rmtree(part, ignore_errors=True)


def finish(folder: Path, names: Sequence[str]) -> None:
    """Move into `folder` what a process that was killed had begun to move."""
    place = Path(os.path.realpath(folder))
    for part in left_over(_within(place)):
        if (part / OLD).exists():
            _move(part, place, names)


def _within(folder: Path) -> Path:
    """What the temporary folders within `folder` are called after."""
    place = Path(os.path.realpath(folder))
    return place / place.name


def _check_replaceable(folder: Path, names: Sequence[str]) -> None:
    for path in (folder / name for name in names if os.path.lexists(folder / name)):
        if path.is_symlink() or os.path.ismount(path):
            raise InputError(
                f"{path}: is a link or a mount point, and would be replaced. Remove it, or make "
                f"{folder} itself one."
            )
        if path.is_dir() and not os.access(path, os.W_OK):
            raise InputError(f"{path}: is read-only. Make it writable, or name another folder.")


def _move(part: Path, place: Path, names: Sequence[str]) -> None:
    """Move what is in `part` into a folder, and what it replaces out of it; or nothing.

    Killed on the way, it goes on where it stopped: nothing comes before all that is old has gone.
    """
    names = names or sorted(set(os.listdir(part)) - {OLD})
    old = part / OLD
    done: list[tuple[Path, Path]] = []

    def move(name: str, source: Path, target: Path) -> None:
        if os.path.lexists(source / name):
            _rename(source / name, target / name)
            done.append((source / name, target / name))

    try:
        if all(os.path.lexists(part / name) for name in names[:1]):  # nothing has come
            old.mkdir(exist_ok=True)
            for name in reversed(names):
                move(name, place, old)
        for name in names:
            move(name, part, place)
    except BaseException:
        for source, target in reversed(done):
            _rename(target, source)
        with suppress(OSError):
            old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # as for a folder of a container's image
            raise
        shutil.move(source, target)
