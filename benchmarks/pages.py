"""Write the tables of a page from CSV files, so that no figure is typed.

    python benchmarks/pages.py docs/results/*.md

A table stands behind a comment that says where it comes from, which columns and rows it has:

    <!-- cub20_table2.csv: protocol, model, gt_known, gt_known_diff | protocol = crop, original -->

A mean has its standard deviation beside it, a difference its sign and its 95 % interval.
A last column `value by seed` puts the values of a row's seeds side by side, a column a seed;
`best value by threshold` prints the highest of each row in bold.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

SOURCE = re.compile(r"^<!-- (\S+\.csv): ([^|]*?)(?: \| (.*?))? -->\n(?:\|.*\n)*", re.M)
ACROSS = re.compile(r"(best )?(\w+) by (\w+)")


def cell(row: pd.Series, name: str) -> str:
    """A cell of the page: `81.2 ± 1.1`, `+5.2 [3.1, 7.4]`, or the value as it is."""
    value = row[name]
    if pd.isna(value):
        return ""
    low, high, sd = (row.get(f"{name}_{end}") for end in ("low", "high", "sd"))
    if name.endswith(("_diff", "_icfs")):
        return f"{value:+.1f} [{low:.1f}, {high:.1f}]"
    if f"{name}_sd" in row:
        return f"{value:.1f}" + (f" ± {sd:.1f}" if pd.notna(sd) else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def across(
    table: pd.DataFrame, keys: list[str], name: str, by: str, best: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table in which each value of `by` has a column of its own."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for _, row in table.iterrows():
        key = tuple(cell(row, key) for key in keys)
        line, column = found.setdefault(key, {}), cell(row, by)
        if column in line:
            raise ValueError(f"two rows for {key}, {by} {column}: name another column")
        line[column] = cell(row, name)
    head = list(dict.fromkeys(column for line in found.values() for column in line))
    if all(re.fullmatch(r"[\d.]+", column) for column in head):
        head.sort(key=float)
    for line in found.values() if best else ():
        highest = max(map(float, line.values()))
        line |= {k: f"**{value}**" for k, value in line.items() if float(value) == highest}
    rows = [[*key, *(line.get(column, "") for column in head)] for key, line in found.items()]
    return [*keys, *head], rows


def markdown(table: pd.DataFrame, columns: list[str]) -> str:
    """A table of these columns, a row each."""
    if pivot := ACROSS.fullmatch(columns[-1]):
        head, rows = across(table, columns[:-1], pivot[2], pivot[3], best=bool(pivot[1]))
    else:
        head = columns
        rows = [[cell(row, name) for name in columns] for _, row in table.iterrows()]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(path: Path) -> str:
    """The page with its tables made anew."""

    def table(match: re.Match[str]) -> str:
        found = pd.read_csv(path.parent / match[1], dtype={"value": str})  # as it was written
        for condition in (match[3] or "").split(";"):
            if condition:
                name, _, values = condition.partition("=")
                wanted = [value.strip() for value in values.split(",")]
                found = found[found[name.strip()].astype(str).isin(wanted)]
        if found.empty:
            raise ValueError(f"{path}: no rows for {match[0].splitlines()[0]}")
        comment = match[0].partition("\n")[0]
        columns = [name.strip() for name in match[2].split(",")]
        return f"{comment}\n{markdown(found, columns)}"

    return SOURCE.sub(table, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(page(Path(name)), encoding="utf-8")
