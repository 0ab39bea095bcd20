"""A lock that goes when its process does."""

from __future__ import annotations

import os

from filelock import FileLock, Timeout

from isic.errors import InputError

_held: list[FileLock] = []  # as long as the process lives, however it ends


def lock(path: str | os.PathLike[str]) -> None:
    """Let no other process that calls this for the same path run beside this one.

    Raises:
        InputError: another one does.
    """
    file_lock = FileLock(path)
    try:
        file_lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(
            f"{path}: another snakemake works in this folder. Wait until it is done, or work in "
            "another folder (snakemake --directory)."
        ) from error
    _held.append(file_lock)
