"""CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from isic.errors import InputError, listed
from isic.storage.faults import reading
from isic.storage.files import atomic

WORDS = {int: "whole", float: "finite"}


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
        with reading(path):
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if missing := [name for name in columns if name not in table]:
            raise ValueError(f"no column {', '.join(missing)}")
        table = table[[*columns, *(name for name in others if name in table)]]
        numbers = {name: kind for name, kind in (numbers or {}).items() if name in table}
        try:
            read = table.astype(numbers)
        except (ValueError, OverflowError):
            read = table.assign(**{name: _numbers(table[name], numbers[name]) for name in numbers})
        faults = {
            f"{name} is not a {WORDS[kind]} number": [f"line {2 + row}" for row in wrong]
            for name, kind in numbers.items()
            if len(wrong := np.flatnonzero(~np.isfinite(read[name])))
        }
        if faults:
            raise ValueError(listed(faults, len(table)))
        return read.astype(numbers)
    except (OSError, ValueError) as error:  # ValueError: also pandas' parser and Unicode errors
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read ({reason}). Delete it and run the same command again."
        ) from error


def _numbers(texts: pd.Series, kind: type) -> np.ndarray:
    """float64, nan where a text is no number of this kind."""

    def number(text: str) -> float:
        try:
            return float(kind(text))
        except (ValueError, OverflowError):
            return np.nan

    return np.array([number(text) for text in texts], float)


def write_csv(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], path: str | os.PathLike[str]
) -> None:
    """Write a table, or rows with the same keys, as CSV, atomically; floats survive the trip.

    Of a name that is not UTF-8 the bytes in question are written as `\\udc…`.
    """
    form: dict[str, Any] = {"index": False, "lineterminator": "\n"}
    table = pd.DataFrame(rows)
    text = table.to_csv(**form)
    if "\r" in text:  # unquoted it would end a row
        text = table.to_csv(**form, quoting=csv.QUOTE_NONNUMERIC)
    with atomic(path) as part:
        part.write_bytes(text.encode("utf-8", "backslashreplace"))
