"""Locks that go when their process does."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from typing import IO

from isic.errors import InputError
from isic.storage.faults import NO_LOCKS

_held: list[IO[str]] = []  # as long as the process lives, however it ends


def lock(path: str | os.PathLike[str]) -> None:
    """Let no other process that calls this for the same path run beside this one.

    Raises:
        InputError: another one does.
    """
    if not take(path, "Start no second snakemake in this folder."):
        raise InputError(
            f"{path}: another snakemake works in this folder. Wait until it is done, or work in "
            "another folder (snakemake --directory)."
        )


def take(path: str | os.PathLike[str], without: str) -> bool:
    """Whether the lock is this process's now, and not another's; it is until the process ends.

    Where the file system has no locks, it is, with a warning.

    Args:
        without: what a person is to do then.
    """
    # Not filelock's: without locks it takes the file, which an earlier run may have left, for one.
    file = open(path, "a")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            file.close()
            return False
        if error.errno not in NO_LOCKS:
            raise
        print(
            f"isic: warning: {path}: the file system has no locks ({error.strerror}). {without}",
            file=sys.stderr,
        )
    _held.append(file)
    return True
