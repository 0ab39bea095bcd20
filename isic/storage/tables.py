"""CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.storage.faults import reading
from isic.storage.files import atomic


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
        chosen = [*columns, *(name for name in others if name in table)]
        numbers = {name: kind for name, kind in (numbers or {}).items() if name in chosen}
        table = table[chosen].astype(numbers)
        for name in numbers:
            if not np.isfinite(table[name]).all():
                line = 2 + int(np.argmin(np.isfinite(table[name])))
                raise ValueError(f"line {line}: {name} is not a finite number")
        return table
    except (OSError, ValueError) as error:  # ValueError: also pandas' parser and Unicode errors
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read ({reason}). Delete it and run the same command again."
        ) from error


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
