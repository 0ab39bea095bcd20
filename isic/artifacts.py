"""How every artifact is written: whole or not at all, and with where it came from.

An artifact is written under a temporary name beside its final one and moved into place when it is
complete, so that no reader ever takes a part for the whole, whatever is killed and whenever.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
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

# What HDF5 artifacts hold: of each data set its kind and its axes, of which those of one name have
# one length; and attributes, `@name`.
Layout = Mapping[str, str]
IMAGES: Layout = {"images": "uint8 image row column channel", "image_id": "text image"}
JPEGS: Layout = {
    "offset": "int image",
    "size": "int image",
    "image_id": "text image",
    "@resize": "pixels",
}
JOINED: Layout = {**JPEGS, "shard": "int image", "@shards": "paths"}
SIMILARITY: Layout = {"similarity": "float class class", "class": "text class"}
FEATURES: Layout = {
    "features": "float image y x channel",
    "label": "int image",
    "image_id": "text image",
}
DIRECTIONS: Layout = {
    "direction": "float class channel",
    "label": "int class",
    "@compress": "exponent",
}
MASKS: Layout = {
    "mask": "uint8 image row column",
    "object_share": "float image",
    "image_id": "text image",
}
MAPS: Layout = {
    "full": "float image y x",
    "crop": "float image y' x'",
    "image_id": "text image",
    "@resize": "pixels",
    "@crop": "pixels",
    "@relative": "truth value",
}

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


def read_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    numbers: Mapping[str, type] | None = None,
    others: Sequence[str] = (),
) -> pd.DataFrame:
    """Read columns of a CSV as text, or as the types, int or float, of `numbers`.

    Args:
        columns: which have to be there.
        others: which may be there.

    Raises:
        InputError: the file is missing or no CSV, lacks a column, or a number is none.
    """
    try:
        # As text first: a class may be called 007, NA or null.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if missing := [name for name in columns if name not in table]:
            raise ValueError(f"no column {', '.join(missing)}")
        chosen = [*columns, *(name for name in others if name in table)]
        numbers = {name: kind for name, kind in (numbers or {}).items() if name in chosen}
        table = table[chosen].astype(numbers)
        for name in numbers:
            if not np.isfinite(table[name]).all():
                line = 2 + int(np.argmin(np.isfinite(table[name])))
                raise ValueError(f"line {line}: {name} is not a finite number")
        return table
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist. Check the path, or write it first.") from error
    except (OSError, ValueError) as error:  # ValueError: also pandas' parser and Unicode errors
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise InputError(
            f"{path}: cannot be read ({reason}). Delete it and run the same command again."
        ) from error


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
def open_hdf5(path: str | os.PathLike[str], layout: Layout | None = None) -> Iterator[h5py.File]:
    """Open an HDF5 artifact for reading, and see whether it holds what its kind does.

    Raises:
        InputError: the file is missing, truncated, no HDF5 file, or of another layout.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as HDF5 ({error}). Delete it and run the same command again."
        ) from error
    with file:
        check_layout(file, layout or {})
        yield file


def check_layout(file: h5py.File, layout: Layout) -> None:
    """InputError unless an open HDF5 file has these data sets and attributes."""
    lengths: dict[str, int] = {}
    for name, words in layout.items():
        kind, *axes = words.split()
        if name.startswith("@"):
            fits, shape = name[1:] in file.attrs, ""
        else:
            data, shape = file.get(name), f" ({kind}: {', '.join(axes)})"
            fits = (
                isinstance(data, h5py.Dataset)
                and _is_of(data.dtype, kind)
                and data.ndim == len(axes)
                and all(
                    lengths.setdefault(axis, n) == n
                    for axis, n in zip(axes, data.shape, strict=True)
                )
            )
        if not fits:
            raise InputError(
                f"{file.filename}: holds no {name.strip('@')}{shape} that fits the rest, so it is "
                "of another stage or program. Delete it and run the same command again."
            )


def _is_of(dtype: np.dtype, kind: str) -> bool:
    if kind == "text":
        return h5py.check_string_dtype(dtype) is not None
    return dtype == kind if kind == "uint8" else dtype.kind == kind[0]


def strings(dataset: h5py.Dataset) -> np.ndarray:
    """An HDF5 string data set as a NumPy array of `str` objects."""
    return dataset.asstr()[:]
