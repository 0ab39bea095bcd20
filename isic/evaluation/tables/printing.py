"""A table read from its CSV, and as text for a page and for a console."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from isic.errors import InputError
from isic.evaluation.scores import NOTHING
from isic.evaluation.tables.ablation import ABLATIONS, OF_ICFS, SPREAD, TO_BASE
from isic.evaluation.tables.results import BOX_FIGURES, FIGURES, MORE, SCORED
from isic.evaluation.tables.table1 import INTEGERS
from isic.storage.faults import reading


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table's CSV as `table1` and `ablation` give it.

    Raises:
        InputError: the file is missing, or another.
    """
    try:
        with reading(path):
            table = pd.read_csv(path, dtype=INTEGERS)
        figures = [*FIGURES]
        if set(table) & {*SPREAD, *TO_BASE} - {*FIGURES}:
            figures = SPREAD + TO_BASE + (OF_ICFS if "model" in table else [])
        if lacking := {"backbone", "source", "protocol", *figures} - set(table):
            raise ValueError(f"no column {min(lacking)}")
        if not set(ABLATIONS.values()) & set(table):
            raise ValueError(f"no column {', '.join(ABLATIONS.values())}")
        return table.astype(dict.fromkeys(figures, float))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({' '.join(str(error).split())}). Delete it and run the same "
            "command again."
        ) from error


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """A table's cells as text: figures to 2 decimals, `-` where there is none; standard deviation
    and interval beside the mean, as `81.20 ± 1.10 [77.6, 84.3]`, and then no `BOX_FIGURES`;
    GT-known's differences with their intervals, as `+5.2 [3.1, 7.4]`, the others' left out. Of
    which images were scored only what is out of the ordinary; its words are `notes`."""
    usual = [
        name
        for name, value in SCORED.items()
        if name in table and (table[name].isna() | (table[name] == value)).all()
    ]
    left_out = [*TO_BASE, *OF_ICFS, *usual, "note"]
    left_out += BOX_FIGURES if "gt_known_sd" in table else []
    cells = table.drop(columns=left_out, errors="ignore").astype(object)
    for name in ("gt_known_diff", "gt_known_icfs"):
        if name in table:
            ends = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
            text = [f"{x:+z.1f} [{low:z.1f}, {high:z.1f}]" for x, low, high in ends]
            cells.insert(cells.columns.tolist().index("source"), name, text)
            cells[name] = cells[name].where(table[name].notna())
    for name in (*FIGURES, *(name for name in MORE if name in cells)):
        cells[name] = [f"{x:.2f}" if pd.notna(x) else "-" for x in table[name]]
        columns = [f"{name}_{end}" for end in ("sd", "low", "high")]
        if columns[0] in table:
            cells[name] += [_spread(*row) for row in table[columns].to_numpy(float)]
            cells = cells.drop(columns=columns)
    return cells.where(cells.notna(), "-").astype(str)


def notes(table: pd.DataFrame) -> list[str]:
    """What there is to know of the images that a table scores."""
    nothing = [NOTHING] if (table["protocol"] == "none").any() else []
    said: list[str] = [*table["note"].dropna()] if "note" in table else []
    return [note for note in dict.fromkeys([*said, *nothing]) if note]


def _spread(deviation: float, low: float, high: float) -> str:
    """What stands beside a mean; nothing of what is nan."""
    text = f" ± {deviation:.2f}" if pd.notna(deviation) else ""
    return text + (f" [{low:.1f}, {high:.1f}]" if pd.notna(low) else "")


def format_table(table: pd.DataFrame) -> str:
    """A table as text for a console, its blocks apart."""
    cells = compact(table)
    right = {*FIGURES, *MORE, *TO_BASE, *OF_ICFS, "images", "seeds", "without_box", "lam", "gamma"}
    names = cells.columns.tolist()
    width = {name: max([len(name), *cells[name].str.len()]) for name in names}

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width[name]) if name in right else cell.ljust(width[name])
            for name, cell in zip(names, row, strict=True)
        )
        return "  ".join(padded).rstrip()

    lines = [line(names)]
    for _, block in cells.groupby(["source", "protocol"], sort=False):
        lines += ["", *(line(row) for row in block.itertuples(index=False))]
    for note in notes(table):
        lines += ["", note]
    return "\n".join(lines)
