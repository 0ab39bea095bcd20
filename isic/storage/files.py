"""Files and folders that appear whole or not at all, and the disk's faults in one line.

What is written stands under a temporary name beside its final one and is moved into place when it
is complete, so that no reader ever takes a part for the whole, whatever is killed and whenever.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psutil

from isic.errors import InputError, WriteError

# Of writing, whatever is done: an error with another number may come from what is read meanwhile.
REMEDIES = {
    errno.ENOSPC: "Make room there",
    errno.EDQUOT: "Make room there, or have the quota raised",
    errno.EFBIG: "Raise the limit on the size of files, or write to another file system",
    errno.EROFS: "Make the folder writable, or name another",
    errno.EIO: "Look at the disk's health",
}


def temporary(path: Path) -> Path:
    """A name beside `path`, this process's own; what killed processes left under such names goes.

    Two processes that write the same file never share a temporary one, so that neither moves the
    other's half into place.
    """
    host = platform.node()
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = re.fullmatch(rf"\.{re.escape(path.name)}\.{re.escape(host)}\.(\d+)\.part", old.name)
        if pid and not psutil.pid_exists(int(pid[1])):
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{host}.{os.getpid()}.part")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk says while the block writes `path` into WriteError: full, read-only, …"""
    try:
        yield
    except Exception as error:
        number = disk_fault(error)
        if not number:
            raise
        raise WriteError(
            f"{path}: cannot be written ({os.strerror(number)}). "
            f"{REMEDIES[number]}, then run the same command again."
        ) from error


def disk_fault(error: BaseException | None) -> int:
    """The number, of REMEDIES, of the disk's fault behind an exception, also HDF5's; or 0."""
    while error is not None:
        found = re.search(r"\b(?:errno = |os error )(\d+)", str(error))
        number = error.errno if isinstance(error, OSError) else found and int(found[1])
        if number in REMEDIES:
            return number
        error = error.__context__
    return 0


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, to be moved into its place; at the end it is gone."""
    make_folder(path.parent)
    with writing(path):
        part = temporary(path)
        make_folder(part)
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder beside `path`; it becomes `path`, new or empty, when the block ends well.

    Raises:
        InputError: it holds something, or there is a file in its place.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: holds something already. Delete it, or name another folder.")
    with folder_beside(path) as part:
        yield part
        part.replace(path)


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in; InputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{path}: cannot be made, there is a file of that name. Name another folder."
        ) from error
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be made ({error.strerror}). Make the folder that it lies in writable, "
            "or name another."
        ) from error


# Called with the temporary path and the final one before a file is moved into place.
before_replace: ContextVar[Callable[[Path, Path], None] | None] = ContextVar(
    "before_replace", default=None
)


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block ends well.

    The temporary name holds the process's number; what a killed run leaves, the next one removes.

    Raises:
        InputError: there is a folder of that name, or a file where its folder should be.
        WriteError: the disk is full, the folder read-only, and the like.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder. Name a file.")
    make_folder(path.parent)
    if not os.access(path.parent, os.W_OK):
        raise WriteError(
            f"{path}: cannot be written (the folder is read-only). Make it writable, or name "
            "another, then run the same command again."
        )
    with writing(path):
        part = temporary(path)
        try:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            if keep := before_replace.get():
                keep(part, path)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON, atomically."""
    with atomic(path) as part:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        # A name that is not UTF-8 is written as JSON's own `\udc…`, and read again as it was.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
