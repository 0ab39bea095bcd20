"""What the machine says instead of reading or writing a file, in one line with what helps.

Such a fault tells nothing about what is in a file: none is a reason to delete one.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from isic.errors import InputError, WriteError

# Of writing, whatever is done: an error with another number may come from what is read meanwhile.
REMEDIES = {
    errno.ENOSPC: "Make room there",
    errno.EDQUOT: "Make room there, or have the quota raised",
    errno.EFBIG: "Raise the limit on the size of files, or write to another file system",
    errno.EROFS: "Make the folder writable, or name another",
    errno.EIO: "Look at the disk's health",
}
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
OTHERS = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "Check the path"),
    errno.EISDIR: "Name a file",
    errno.EACCES: "Make it readable and its folder writable, or name another",
    errno.EMFILE: "Raise the limit of open files (ulimit -n 4096)",
    errno.ENFILE: "Close other programs: the machine has too many files open",
    errno.ENOMEM: "Run fewer jobs at a time",
    **dict.fromkeys(NO_LOCKS, "Set HDF5_USE_FILE_LOCKING=FALSE, or work on another file system"),
    **dict.fromkeys(
        (errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN),
        "See whether its file system is still there (df)",
    ),
}


def fault_number(error: BaseException) -> int:
    """The number of the operating system's fault that an error tells of, also HDF5's and Rust's;
    0 where it tells of none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\b(?:errno = |os error )(\d+)", str(error))
    return int(found[1]) if found else 0


def fault_file(error: BaseException) -> str:
    """The file that an error tells of; empty where it names none."""
    if isinstance(error, OSError) and (name := error.filename2 or error.filename):
        return os.fsdecode(name) if isinstance(name, str | bytes) else f"open file {name}"
    found = re.search(r"name = '(.+?)', ", str(error))  # HDF5's
    return found[1] if found else ""


def remedy(number: int) -> str:
    """What helps, and that the same command goes on then."""
    what = REMEDIES.get(number) or OTHERS.get(number, "Fix that")
    return f"{what}, then run the same command again."


def disk_fault(error: BaseException | None) -> int:
    """The number, of REMEDIES, of the disk's fault behind an exception, also HDF5's; or 0."""
    while error is not None:
        if (number := fault_number(error)) in REMEDIES:
            return number
        error = error.__context__
    return 0


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the disk says while the block writes `path` into WriteError: full, read-only, …"""
    try:
        yield
    except Exception as error:
        of_input = isinstance(error, InputError) and not isinstance(error, WriteError)
        of_input |= "read data" in str(error)  # HDF5's
        if not of_input and (number := disk_fault(error)):
            raise WriteError(
                f"{path}: cannot be written ({os.strerror(number)}). {remedy(number)}"
            ) from error
        if isinstance(error, OSError) and error.errno and not fault_file(error):
            error.filename = os.fspath(path)
        raise


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the machine says while the block reads the file `path` into InputError.

    The file is opened first, for its true cause: libraries call a file missing when too many are
    open. What is wrong with its content is left to the caller.
    """
    try:
        with open(path, "rb"):
            pass
        yield
    except OSError as error:
        if not fault_number(error):
            raise
        if fault_number(error) == errno.ENOENT:
            raise InputError(
                f"{path}: does not exist. Check the path, or write it first."
            ) from error
        raise unreadable(path, error) from error


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """What to raise when the machine does not let a file be read."""
    number = fault_number(error)
    return InputError(f"{path}: cannot be read ({os.strerror(number)}). {remedy(number)}")
