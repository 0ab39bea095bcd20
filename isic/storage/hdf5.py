"""HDF5 files, and whether they hold what their kind does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from isic.errors import InputError
from isic.storage.faults import disk_fault, fault_number, reading, remedy
from isic.storage.files import atomic
from isic.storage.layouts import Layout

FORMAT = 1  # also of files without a number, which older code wrote


@contextmanager
def new_hdf5(path: str | os.PathLike[str], attributes: Mapping[str, Any]) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing, atomically; `attributes` go on its root."""
    with atomic(path) as part:
        # libver fixes the format's version: two runs give the same arrays *and* readable files.
        # Unlocked, as to read: nobody else writes it, and some file systems have no locks.
        with _named(path, "written"):
            file = h5py.File(part, "w", libver="v110", track_order=True, locking=False)
        try:
            file.attrs.update({"format": FORMAT, **attributes})
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
    with reading(path), _named(path, "read as HDF5"):
        file = h5py.File(path, "r", locking=False)
    with file, _named(path, "read as HDF5", "read data"):
        check_layout(file, layout or {})
        yield file


@contextmanager
def _named(path: str | os.PathLike[str], done: str, about: str = "") -> Iterator[None]:
    """InputError with the file's name for what HDF5 says, `about`, in the block; it names none."""
    try:
        yield
    except OSError as error:
        if about not in str(error):
            raise
        if number := fault_number(error):
            reason = f"{os.strerror(number)}). {remedy(number)}"
            raise InputError(f"{path}: cannot be {done} ({reason}") from error
        advice = "Name another file" if done == "written" else "Delete it"
        raise InputError(
            f"{path}: cannot be {done} ({error}). {advice} and run the same command again."
        ) from error


def check_layout(file: h5py.File, layout: Layout) -> None:
    """InputError unless an open HDF5 file has these data sets and attributes."""
    if (number := file.attrs.get("format", FORMAT)) > FORMAT:
        raise InputError(
            f"{file.filename}: made by a newer isic (format {number}; this one reads up to "
            f"{FORMAT}). Update isic."
        )
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
