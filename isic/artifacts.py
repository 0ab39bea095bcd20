"""How every artifact is written: whole or not at all, and with where it came from.

An artifact is written under a temporary name beside its final one and moved into place when it is
complete, so that no reader ever takes a part for the whole, whatever is killed and whenever.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from isic.code import code_digest
from isic.errors import InputError, WriteError
from isic.folders import disk_fault, make_folder, temporary, writing

PACKAGES = ("isic", "numpy", "scikit-learn", "torch", "torchvision")


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
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


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


def write_csv(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], path: str | os.PathLike[str]
) -> None:
    """Write a table, or rows with the same keys, as CSV, atomically; floats survive the trip."""
    with atomic(path) as part:
        pd.DataFrame(rows).to_csv(part, index=False, lineterminator="\n")


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON, atomically."""
    with atomic(path) as part:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        part.write_text(text, encoding="utf-8")


@contextmanager
def new_hdf5(path: str | os.PathLike[str], attributes: Mapping[str, Any]) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing, atomically; `attributes` go on its root."""
    with atomic(path) as part:
        # libver fixes the format's version: two runs give the same arrays *and* readable files.
        file = h5py.File(part, "w", libver="v110", track_order=True)
        try:
            file.attrs.update(attributes)
            yield file
            file.flush()
        except Exception as error:
            if disk_fault(error):
                unwritable.append(file)  # closed, HDF5 would write again, and crash
            else:
                file.close()
            raise
        file.close()


unwritable: list[h5py.File] = []  # until the process ends, which has to be by os._exit


@contextmanager
def open_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 artifact for reading.

    Raises:
        InputError: the file is missing, truncated or no HDF5 file, or lacks what is read of it.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as HDF5 ({error}). Delete it and run the same command again."
        ) from error
    with file:
        try:
            yield file
        except KeyError as error:
            missing = re.search(r"[Oo]bject '(.+)' doesn't exist", str(error))
            if missing is None or missing[1] in file:
                raise
            raise InputError(
                f"{path}: has no {missing[1]}, so it is of another stage or program. Delete it and "
                "run the same command again."
            ) from error


def strings(dataset: h5py.Dataset) -> np.ndarray:
    """An HDF5 string data set as a NumPy array of `str` objects."""
    return dataset.asstr()[:]
