"""Where a file came from: its record, `.NAME.made.json` beside it, and what a stage's inputs are.

A record is written before its file is moved into place, and stands when the file does. A file that
is older than its record and of the same length is taken for the one that was written; any other is
compared by its SHA-256; one without a record is taken as it is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from isic.errors import InputError
from isic.provenance.digests import code_digest
from isic.storage.files import atomic, resolved

PACKAGES = ("isic", "numpy", "scikit-learn", "torch", "torchvision")


def fingerprint(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, hexadecimal, first 16 digits.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check the path, or write the file first."
        ) from error


def provenance(
    command: str, settings: Mapping[str, Any], inputs: Sequence[str | os.PathLike[str]] = ()
) -> dict[str, str]:
    """What an artifact says of itself: the command that made it, its settings, a digest of its
    code, library versions, fingerprints of its inputs (None for a folder).

    Returns a flat dictionary of strings, JSON but for the first, fit for HDF5 attributes and
    safetensors metadata. Holds no time and no absolute path: the same run gives the same bytes.

    Raises:
        InputError: an input is missing, cannot be read, or is not as isic wrote it.
    """
    paths = list(map(Path, inputs))
    return {
        "command": command,
        "settings": json.dumps({k: _portable(v) for k, v in settings.items()}, sort_keys=True),
        "code": code_digest(command),
        "versions": json.dumps({name: importlib.metadata.version(name) for name in PACKAGES}),
        "inputs": json.dumps(
            [[_portable(str(p)), None if p.is_dir() else _unharmed(p)] for p in paths]
        ),
    }


def _portable(value: Any) -> Any:
    """Of an absolute path, alone or in a list, the last part."""
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def checkpoint_path(path: str | os.PathLike[str]) -> Path:
    """Where the training that will write a file keeps its state."""
    path = resolved(Path(path))
    return path.with_name(f"{path.name}.checkpoint")


def forget_checkpoints(inputs: Sequence[str | os.PathLike[str]]) -> None:
    """Remove the checkpoints of the trainings that inputs are of.

    Not the training does it: a workflow that is killed before it has heard of its end makes it
    again, from there. What is used is known to be done.
    """
    for path in inputs:
        with suppress(OSError):  # there is none, or the folder is read-only
            checkpoint_path(path).unlink()


def record_path(path: str | os.PathLike[str]) -> Path:
    """Where a file's provenance and fingerprint stand: `.NAME.made.json` beside it, or beside what
    a link leads to."""
    path = resolved(Path(path))
    return path.with_name(f".{path.name}.made.json")


def is_artifact(path: Path) -> bool:
    """Whether a file has a record: not a record itself, a checkpoint, or part of a new folder."""
    return not (
        path.name.endswith((".made.json", ".checkpoint"))
        or any(folder.name.endswith(".part") for folder in path.parents)
    )


@contextmanager
def recording(
    path: str | os.PathLike[str], made: Mapping[str, str], part: str | os.PathLike[str]
) -> Iterator[None]:
    """Keep the provenance of a file beside it, with its length and fingerprint.

    In the block the file is moved from `part` to its place. Killed there, the file that was in the
    place, or the one that is now, has no record: none has the other's.
    """
    record = record_path(path)
    with atomic(record) as new:
        content = {**made, "size": Path(part).stat().st_size, "fingerprint": fingerprint(part)}
        new.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        record.unlink(missing_ok=True)
        yield


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `write_record` kept of a file; empty where it kept nothing.

    Raises:
        InputError: the record is damaged.
    """
    record = record_path(path)
    if not record.is_file():
        return {}
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        if isinstance(found["fingerprint"], str):
            return found
    except (KeyError, TypeError, ValueError):
        pass
    raise InputError(f"{record}: is damaged. Delete it and {path}, and run the same command again.")


def is_untouched(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a file has the length that its record says and was not written after it."""
    try:
        file, kept = path.stat(), record_path(path).stat()
    except OSError:
        return False
    return file.st_size == record.get("size") and file.st_mtime_ns < kept.st_mtime_ns


def _unharmed(path: Path) -> str:
    """The fingerprint of an input, which has to be as isic wrote it, if isic wrote it."""
    record = read_record(path)
    if record and is_untouched(path, record):
        return record["fingerprint"]
    found = fingerprint(path)
    if record.get("fingerprint", found) != found:
        raise InputError(
            f"{path}: is not as it was written, so damaged or edited. Delete it and run the same "
            f"command again; to have it used as it is, delete {record_path(path)}."
        )
    return found
