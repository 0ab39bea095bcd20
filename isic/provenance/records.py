"""Where an artifact came from: the record beside it, and what a stage's inputs are."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isic.errors import InputError
from isic.provenance.digests import code_digest
from isic.storage.tables import write_json

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


def record_path(path: str | os.PathLike[str]) -> Path:
    """Where a file's provenance and fingerprint stand: `.NAME.made.json` beside it."""
    path = Path(path)
    return path.with_name(f".{path.name}.made.json")


def write_record(path: str | os.PathLike[str], made: Mapping[str, str]) -> None:
    """Keep the provenance of a file beside it, with its fingerprint, by which damage is known."""
    write_json({**made, "fingerprint": fingerprint(path)}, record_path(path))


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


def _unharmed(path: Path) -> str:
    """The fingerprint of an input, which has to be as isic wrote it, if isic wrote it."""
    found = fingerprint(path)
    if read_record(path).get("fingerprint", found) != found:
        raise InputError(
            f"{path}: is not as it was written, so damaged or edited. Delete it and run the same "
            f"command again; to have it used as it is, delete {record_path(path)}."
        )
    return found
