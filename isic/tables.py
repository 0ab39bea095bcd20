"""Table 1 of the paper (section 4.2): published rows, and this run's beside them, never mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

import pandas as pd

from isic.errors import InputError
from isic.scores import NOTHING, PROTOCOLS, TRIVIAL

FIGURES = ["top1_loc", "top5_loc", "gt_known"]
COLUMNS = ["model", "backbone", *FIGURES, "source", "protocol", "threshold", "images", "seeds"]
FIRST, LAST = (*TRIVIAL, "CAM", "BASE"), "ISIC (this run)"


def read_scores(paths: Iterable[str | os.PathLike[str]]) -> list[dict[str, Any]]:
    """The results in scores.json files, of which each holds one or a list of them.

    Raises:
        InputError: a file is no scores.json.
    """
    results: list[dict[str, Any]] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {error}; make it again with `isic scores`") from error
        for result in content if isinstance(content, list) else [content]:
            if not isinstance(result, dict) or "protocols" not in result:
                raise InputError(f"{path}: no scores.json; make it with `isic scores`")
            results.append(result)
    return results


def published_rows(dataset: str) -> pd.DataFrame:
    """The paper's Table 1 for `cub` or `imagenet`, in percent, in the columns of `table1`.

    The paper states neither thresholds nor seeds, and reports every row under its own protocol
    `crop`; some it quotes (TS-CAM) come from papers that used `resize`.

    Raises:
        InputError: the paper has no figures for the data set.
    """
    with resources.files("isic").joinpath("published.csv").open(encoding="utf-8") as file:
        rows = pd.read_csv(file)
    if dataset not in set(rows["dataset"]):
        raise InputError(f"no published figures for `{dataset}`: use cub, imagenet or none")
    rows = rows[rows["dataset"] == dataset].assign(source="published", protocol="crop")
    return rows.reindex(columns=COLUMNS)


def measured_rows(scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row for each model and protocol, the mean over the seeds of a model, in `COLUMNS`.

    A result with no protocol (there was no true box) gives one row without figures.
    """
    rows = []
    for result in scores:
        same = {key: result[key] for key in ("model", "backbone", "source", "threshold", "images")}
        for protocol, figures in (result["protocols"] or {"none": {}}).items():
            rows.append(
                same
                | {name: figures.get(name) for name in FIGURES}
                | {"protocol": protocol, "seeds": result.get("seed")}
            )
    table = pd.DataFrame(rows, columns=COLUMNS)
    table[FIGURES] = table[FIGURES].astype(float)
    keys = [name for name in COLUMNS if name not in (*FIGURES, "seeds")]
    means = table.groupby(keys, sort=False, as_index=False).agg(
        {name: "mean" for name in FIGURES} | {"seeds": "nunique"}
    )
    means["seeds"] = means["seeds"].astype("Int64").mask(means["seeds"] == 0)
    protocol = means["protocol"].map([*PROTOCOLS, "none"].index)
    model = means["model"].map(
        lambda name: FIRST.index(name) if name in FIRST else len(FIRST) + (name == LAST)
    )
    order = pd.DataFrame({"protocol": protocol, "model": model})
    return means.loc[order.sort_values(["protocol", "model"], kind="stable").index, COLUMNS]


def table1(scores: Sequence[dict[str, Any]], published: str | None = None) -> pd.DataFrame:
    """Table 1: published rows for `published` (cub, imagenet; None or `none`: none), then this run.

    Args:
        scores: results as `isic.scores.score` and `score_trivial` give them, in any order.

    Returns:
        The columns `COLUMNS`; figures in percent to 2 decimals, empty where not stated or not
        scored. `images` and `seeds` are nullable integers, `seeds` the number of seeds averaged.

    Raises:
        InputError: no published figures for that data set.
    """
    parts = [measured_rows(scores)]
    if published not in (None, "none"):
        parts.insert(0, published_rows(published))
    parts = [part for part in parts if len(part)] or parts[:1]
    table = pd.concat(
        [part.astype({"images": "Int64", "seeds": "Int64"}) for part in parts], ignore_index=True
    )
    table[FIGURES] = table[FIGURES].round(2)
    return table


def read_table1(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read table1.csv as `table1` gives it."""
    return pd.read_csv(path, dtype={"images": "Int64", "seeds": "Int64"})


def format_table(table: pd.DataFrame) -> str:
    """Table 1 as text for a console: figures to 2 decimals, `-` where there is none."""
    cells = table.copy().astype(object)
    for name in FIGURES:
        cells[name] = [f"{x:.2f}" if pd.notna(x) else "-" for x in table[name]]
    cells = cells.where(cells.notna(), "-").astype(str)
    right = {*FIGURES, "images", "seeds"}
    width = {name: max([len(name), *cells[name].str.len()]) for name in COLUMNS}

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width[name]) if name in right else cell.ljust(width[name])
            for name, cell in zip(COLUMNS, row, strict=True)
        )
        return "  ".join(padded).rstrip()

    lines = [line(COLUMNS)]
    block = None
    for row in cells[COLUMNS].itertuples(index=False):
        if (row.source, row.protocol) != block:
            block = (row.source, row.protocol)
            lines.append("")
        lines.append(line(row))
    if (table["protocol"] == "none").any():
        lines += ["", NOTHING]
    return "\n".join(lines)
