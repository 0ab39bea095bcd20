"""Files that appear whole or not at all; devices and pipes are written into.

What is written stands under a temporary name beside its final one and is moved into place when it
is complete, so that no reader ever takes a part for the whole, whatever is killed and whenever.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import json
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psutil

from isic.errors import InputError, WriteError
from isic.storage.faults import writing


def resolved(path: Path) -> Path:
    """Where a link leads, which need not be there yet; any other path as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def left_over(path: Path) -> list[Path]:
    """What killed processes left under temporary names of `path`."""
    host, found = re.escape(platform.node()), []
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = re.fullmatch(rf"\.{re.escape(path.name)}\.{host}\.(\d+)\.part", old.name)
        if pid and not psutil.pid_exists(int(pid[1])):
            found.append(old)
    return found


def temporary(path: Path) -> Path:
    """A name beside `path`, this process's own; what killed processes left under such names goes.

    Two processes that write the same file never share a temporary one, so that neither moves the
    other's half into place.
    """
    for old in left_over(path):
        with suppress(OSError):  # another user's
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.part")


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


def descriptor(path: Path) -> int | None:
    """The number of this process's open file that /dev/stdout, /dev/fd/N and the like stand for."""
    for _ in range(8):  # links
        folder = os.path.realpath(path.parent)
        if path.name.isdigit() and re.fullmatch(rf"/dev/fd|/proc/{os.getpid()}/.*fd", folder):
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / os.readlink(path)
    return None


def is_stream(path: Path) -> bool:
    """Whether what is written to `path` goes into a device, a pipe or an open file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return descriptor(path) is not None or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_place(path: Path) -> None:
    """InputError unless `path` can be written, as far as can be told before the work."""
    if (number := descriptor(path)) is not None:
        try:
            writable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        except OSError:
            writable = False
        if not writable:
            raise InputError(f"{path}: is not open for writing. Name a file.")
        return
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise InputError(f"{path}: {error.strerror}. Name another place.") from error
        mode = stat.S_IFREG
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        what = "socket" if stat.S_ISSOCK(mode) else "disk"
        raise InputError(f"{path}: is a {what}. Name a file.")
    place = path
    if stat.S_ISREG(mode):  # moved into its folder, which may have to be made
        folders = Path(os.path.abspath(resolved(path))).parents
        place = next(folder for folder in folders if os.path.lexists(folder))
        if not place.is_dir():
            raise InputError(f"{path}: cannot be made, {place} is no folder. Name another place.")
    if not os.access(place, os.W_OK):
        raise WriteError(
            f"{path}: cannot be written ({place} is read-only). Make it writable, or name another "
            "place, then run the same command again."
        )


# Called with the temporary path and the final one; the file is moved into place within.
around_replace: ContextVar[Callable[[Path, Path], AbstractContextManager[None]] | None] = (
    ContextVar("around_replace", default=None)
)


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block ends well.

    A link stays, and the file that it leads to is written. What is written to a device or pipe is
    copied into it at the end.

    Raises:
        InputError: there is a folder of that name, or a file where its folder should be.
        WriteError: the disk is full, the folder read-only, and the like.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder. Name a file.")
    if is_stream(path):
        with _copied_into(path) as part:
            yield part
        return
    place = resolved(path)
    make_folder(place.parent)
    check_place(place)
    with writing(path):
        part = temporary(place)
        try:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            around = around_replace.get()
            with around(part, path) if around else nullcontext():
                _replace(part, place)
        finally:
            part.unlink(missing_ok=True)


def _replace(part: Path, place: Path) -> None:
    try:
        part.replace(place)
    except OSError as error:
        if error.errno != errno.EBUSY:  # a mount point, as of a file that a container is given
            raise
        shutil.copyfile(part, place)


@contextmanager
def _copied_into(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what is there at the end is written into a device or pipe."""
    check_place(path)
    with writing(path), tempfile.TemporaryDirectory(prefix="isic-") as folder:
        part = Path(folder, path.name)
        yield part
        number = descriptor(path)
        if number == 1:
            sys.stdout.flush()
        into = _opened(path) if number is None else os.dup(number)
        with part.open("rb") as source, open(into, "wb") as stream:
            shutil.copyfileobj(source, stream)


def _opened(path: Path) -> int:
    """A device or pipe, open for writing; says that it waits where nobody reads the pipe yet."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        print(f"isic: {path}: waiting for a reader of this pipe.", file=sys.stderr, flush=True)
        return os.open(path, os.O_WRONLY)
    os.set_blocking(number, True)
    return number


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON, atomically."""
    with atomic(path) as part:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        # A name that is not UTF-8 is written as JSON's own `\udc…`, and read again as it was.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
