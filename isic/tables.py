"""The paper's tables (sections 4.2, 4.3): published rows and this run's, never mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.scores import NOTHING, PROTOCOLS, TRIVIAL, wilson

FIGURES = ["top1_loc", "top5_loc", "gt_known"]
COLUMNS = ["model", "backbone", *FIGURES, "source", "protocol", "threshold", "images", "seeds"]
ABLATIONS = {2: "model", 3: "lam", 4: "gamma"}  # what differs between the rows of each table
ABLATION_ROWS = ["BASE", "BASE+ICFS", "BASE+NMF", "BASE+ICFS+NMF", "BASE+ICFS+NMF+SEG"]
SEED_COLUMNS = ["model", "lam", "gamma", "backbone", "seed", *FIGURES]
SEED_COLUMNS += ["source", "protocol", "threshold", "images"]
FIRST, LAST = (*TRIVIAL, "CAM", "BASE"), "ISIC (this run)"

# What is read of a scores.json.
HEADING = ("model", "backbone", "seed", "source", "threshold", "images")
_TEXT, _NUMBER = {"type": "string"}, {"type": ["number", "null"]}
_SCORES = jsonschema.Draft202012Validator(
    {
        "items": {
            "type": "object",
            "required": [*HEADING, "protocols"],
            "properties": {
                **dict.fromkeys(("model", "backbone", "threshold"), _TEXT),
                **dict.fromkeys(("lam", "gamma"), _NUMBER),
                "source": {"const": "measured"},
                "seed": {"type": ["integer", "null"]},
                "images": {"type": "integer"},
                "protocols": {
                    "type": "object",
                    "propertyNames": {"enum": list(PROTOCOLS)},
                    "additionalProperties": {
                        "required": FIGURES,
                        "properties": dict.fromkeys(FIGURES, _NUMBER),
                    },
                },
            },
        }
    }
)


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
        found = content if isinstance(content, list) else [content]
        if wrong := next(_SCORES.iter_errors(found), None):
            raise InputError(
                f"{path}: no scores.json ({wrong.message}); make it again with `isic scores`"
            )
        results += found
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


def by_seed(scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each result and protocol, as in scores.json: percent, not rounded.

    A result with no protocol (there was no true box) gives one row without figures.

    Returns:
        `model`, `lam`, `gamma`, `backbone`, `seed`, the figures, `source`, `protocol`,
        `threshold`, `images`.
    """
    rows = [
        {name: result.get(name) for name in SEED_COLUMNS}
        | {name: figures.get(name) for name in FIGURES}
        | {"protocol": protocol}
        for result in scores
        for protocol, figures in (result["protocols"] or {"none": {}}).items()
    ]
    table = pd.DataFrame(rows, columns=SEED_COLUMNS)
    return table.astype(dict.fromkeys(FIGURES, float) | {"seed": "Int64", "images": "Int64"})


def _in_order(table: pd.DataFrame, rows: Sequence[int]) -> pd.DataFrame:
    """The table by protocol, then by these places of its rows."""
    protocol = table["protocol"].map([*PROTOCOLS, "none"].index)
    order = pd.DataFrame({"protocol": protocol, "row": rows}, table.index)
    order = order.sort_values(["protocol", "row"], kind="stable").index
    return table.loc[order].reset_index(drop=True)


def measured_rows(scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row for each model and protocol, the mean over the seeds of a model, in `COLUMNS`."""
    table = by_seed(scores)
    keys = [name for name in COLUMNS if name not in (*FIGURES, "seeds")]
    means = table.groupby(keys, sort=False, as_index=False).agg(
        **{name: (name, "mean") for name in FIGURES}, seeds=("seed", "nunique")
    )
    means["seeds"] = means["seeds"].astype("Int64").mask(means["seeds"] == 0)
    places = [
        FIRST.index(name) if name in FIRST else len(FIRST) + (name == LAST)
        for name in means["model"]
    ]
    return _in_order(means, places)[COLUMNS]


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


def ablation(
    scores: Sequence[dict[str, Any]], table: int, published: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 2 (components), 3 (λ) or 4 (γ): section 4.3.

    Args:
        scores: results as `isic.scores.score` gives them, one for each row and seed.
        published: whose published rows come first: cub; None or `none`: nobody's.

    Returns:
        The table: a first column `model`, `lam` or `gamma`, `backbone`, then for each of `FIGURES`
        its mean over the seeds, `…_sd`, the seeds' standard deviation (n - 1; empty for one seed),
        and `…_low` and `…_high`, the 95 % interval (Wilson's, of the mean, over the test images);
        `source`, `protocol`, `threshold`, `images` and `seeds`, their number. And each seed's own
        figures. All in percent to 2 decimals.

    Raises:
        InputError: no published figures for that data set, or scores that are not of the table.
    """
    row = ABLATIONS[table]
    rows = by_seed(scores).replace({"model": {LAST: ABLATION_ROWS[-1]}})
    if row == "model" and (unknown := set(rows[row]) - set(ABLATION_ROWS)):
        raise InputError(f"Table 2 has no row {min(unknown)}: give the scores of its arms alone.")
    keys = [row, "backbone", "source", "protocol", "threshold", "images"]
    groups = rows.groupby(keys, sort=False)
    means = groups[FIGURES].mean().join(groups[FIGURES].std().add_suffix("_sd"))
    means = means.join(groups["seed"].nunique().rename("seeds")).reset_index()
    for name in FIGURES:
        ends = [
            wilson(share / 100 * n, n) if pd.notna(share) else [None, None]
            for share, n in zip(means[name], means["images"], strict=True)
        ]
        means[[f"{name}_low", f"{name}_high"]] = np.array(ends, float).reshape(-1, 2)
    places = means[row].map(ABLATION_ROWS.index) if row == "model" else means[row]
    means = _in_order(means, list(places))
    if published not in (None, "none"):
        means = pd.concat([published_ablation(published, table), means], ignore_index=True)
    spread = [f"{name}{end}" for name in FIGURES for end in ("", "_sd", "_low", "_high")]
    columns = [row, "backbone", *spread, *COLUMNS[COLUMNS.index("source") :]]
    means = means.reindex(columns=columns).astype({"images": "Int64", "seeds": "Int64"})
    means[spread] = means[spread].astype(float).round(2)
    seeds = rows[[row, *(name for name in SEED_COLUMNS if name not in ABLATIONS.values())]]
    return means, seeds.round(dict.fromkeys(FIGURES, 2))


def published_ablation(dataset: str, table: int) -> pd.DataFrame:
    """The paper's Table 2, 3 or 4 for `cub`, in percent; it states no spread, cuts or seeds.

    Raises:
        InputError: the paper has no figures for the data set.
    """
    if dataset != "cub":
        raise InputError(f"no published Table {table} for `{dataset}`: use cub or none")
    with resources.files("isic").joinpath("published_ablations.csv").open() as file:
        rows = pd.read_csv(file, dtype={"row": str})
    rows = rows[rows["table"] == table].rename(columns={"row": ABLATIONS[table]})
    if table > 2:
        rows = rows.astype({ABLATIONS[table]: float})
    return rows.drop(columns="table").assign(
        backbone="ResNet50", source="published", protocol="crop"
    )


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table's CSV as `table1` and `ablation` give it.

    Raises:
        InputError: the file is missing, or another.
    """
    try:
        table = pd.read_csv(path, dtype={"images": "Int64", "seeds": "Int64"})
        ends = [f"{n}{end}" for n in FIGURES for end in ("_sd", "_low", "_high")]
        figures = FIGURES + (ends if set(ends) & set(table) else [])
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
    and interval beside the mean, as `81.20 ± 1.10 [77.6, 84.3]`."""
    cells = table.copy().astype(object)
    for name in FIGURES:
        cells[name] = [f"{x:.2f}" if pd.notna(x) else "-" for x in table[name]]
        if f"{name}_sd" not in table:
            continue
        for i, (_, row) in enumerate(table.iterrows()):
            spread, low, high = (row[f"{name}_{end}"] for end in ("sd", "low", "high"))
            text = f" ± {spread:.2f}" if pd.notna(spread) else ""
            text += f" [{low:.1f}, {high:.1f}]" if pd.notna(low) else ""
            cells.iloc[i, cells.columns.get_loc(name)] += text
        cells = cells.drop(columns=[f"{name}_{end}" for end in ("sd", "low", "high")])
    return cells.where(cells.notna(), "-").astype(str)


def format_table(table: pd.DataFrame) -> str:
    """A table as text for a console, its blocks apart."""
    cells = compact(table)
    right = {*FIGURES, "images", "seeds", "lam", "gamma"}
    width = {name: max([len(name), *cells[name].str.len()]) for name in cells}

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width[name]) if name in right else cell.ljust(width[name])
            for name, cell in zip(cells, row, strict=True)
        )
        return "  ".join(padded).rstrip()

    lines = [line(list(cells))]
    for _, block in cells.groupby(["source", "protocol"], sort=False):
        lines += ["", *(line(row) for row in block.itertuples(index=False))]
    if (table["protocol"] == "none").any():
        lines += ["", NOTHING]
    return "\n".join(lines)
