"""The paper's tables (sections 4.2, 4.3): published rows and this run's, never mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.evaluation.protocols import PROTOCOLS
from isic.evaluation.scores import NOTHING
from isic.evaluation.statistics import paired_difference, read_outcomes, wilson
from isic.evaluation.trivial import TRIVIAL

FIGURES = ["top1_loc", "top5_loc", "gt_known"]
HITS = [f"{name}_hits" for name in FIGURES]  # the outcome of each image
COLUMNS = ["model", "backbone", *FIGURES, "source", "protocol", "threshold", "images", "seeds"]
ABLATIONS = {2: "model", 3: "lam", 4: "gamma"}  # what differs between the rows of each table
ABLATION_ROWS = ["BASE", "BASE+ICFS", "BASE+NMF", "BASE+ICFS+NMF", "BASE+NMF+SEG"]
ABLATION_ROWS += ["BASE+ICFS+NMF+SEG"]
SEED_COLUMNS = ["model", "lam", "gamma", "backbone", "seed", *FIGURES]
SEED_COLUMNS += ["source", "protocol", "threshold", "images"]
FIRST, LAST = (*TRIVIAL, "CAM", "BASE"), "ISIC (this run)"
SEGMENTERS = {LAST: "BASE+ICFS+NMF+SEG", "ISIC without ICFS (this run)": "BASE+NMF+SEG"}

# Columns of Tables 2 to 4: the figures; what a row has above BASE; and, in Table 2, above the same
# row without ICFS.
SPREAD = [f"{name}{end}" for name in FIGURES for end in ("", "_sd", "_low", "_high")]
TO_BASE = [f"{name}_diff{end}" for name in FIGURES for end in ("", "_low", "_high")]
OF_ICFS = [f"{name}_icfs{end}" for name in FIGURES for end in ("", "_low", "_high")]

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
                        "type": "object",
                        "required": FIGURES,
                        "properties": dict.fromkeys(FIGURES, _NUMBER) | dict.fromkeys(HITS, _TEXT),
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
        for name in _misfits(found):
            raise InputError(
                f"{path}: {name} is not a 0 or 1 for each image; make it again with `isic scores`"
            )
        results += found
    return results


def _misfits(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Names of the outcomes that are not a 0 or 1 for each image."""
    for result in results:
        for figures in result["protocols"].values():
            for name in figures.keys() & set(HITS):
                if len(figures[name]) != result["images"] or set(figures[name]) - {"0", "1"}:
                    yield name


def published_rows(dataset: str) -> pd.DataFrame:
    """The paper's Table 1 for `cub` or `imagenet`, in percent, in the columns of `table1`.

    The paper states neither thresholds nor seeds, and reports every row under its own protocol
    `crop`; some it quotes (TS-CAM) come from papers that used `resize`.

    Raises:
        InputError: the paper has no figures for the data set.
    """
    with (
        resources.files("isic.evaluation").joinpath("published.csv").open(encoding="utf-8") as file
    ):
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
        `threshold`, `images`, and `HITS`, the figures' outcomes by image as text of 0 and 1.
    """
    rows = [
        {name: result.get(name) for name in SEED_COLUMNS}
        | {name: figures.get(name) for name in (*FIGURES, *HITS)}
        | {"protocol": protocol}
        for result in scores
        for protocol, figures in (result["protocols"] or {"none": {}}).items()
    ]
    table = pd.DataFrame(rows, columns=[*SEED_COLUMNS, *HITS])
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
        scores: results as `scores.score` and `score_trivial` give them, in any order.

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
    scores: Sequence[dict[str, Any]],
    table: int,
    published: str | None = None,
    baseline: Sequence[dict[str, Any]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 2 (components), 3 (λ) or 4 (γ): section 4.3.

    Args:
        scores: results as `isic.evaluation.scores.score` gives them, one for each row and seed.
        published: whose published rows come first: cub; None or `none`: nobody's.
        baseline: results of BASE, one for each seed, where it is no row.

    Returns:
        The table: a first column `model`, `lam` or `gamma`, `backbone`, then for each of `FIGURES`
        its mean over the seeds, `…_sd`, the seeds' standard deviation (n - 1; empty for one seed),
        and `…_low` and `…_high`, the 95 % interval (Wilson's, of the mean, over the test images);
        `…_diff`, its difference to BASE, with `…_diff_low` and `…_diff_high`, the interval of
        `statistics.paired_difference`; in Table 2 likewise `…_icfs`, its difference to the same
        row without ICFS; `source`, `protocol`, `threshold`, `images` and `seeds`, their number.
        Differences are of the seeds that both have, and empty where there is nothing to compare
        with or the results do not hold each image's outcome. And each seed's own figures. All in
        percent to 2 decimals.

    Raises:
        InputError: no published figures for that data set, or scores that are not of the table.
    """
    row = ABLATIONS[table]
    rows = by_seed(scores).replace({"model": SEGMENTERS})
    if row == "model" and (unknown := set(rows[row]) - set(ABLATION_ROWS)):
        raise InputError(f"Table 2 has no row {min(unknown)}: give the scores of its arms alone.")
    if others := {result["model"] for result in baseline} - {"BASE"}:
        raise InputError(f"--baseline: {min(others)} is not BASE, the CAM of an arm with λ = 0.")
    base = by_seed([*scores, *baseline]).query("model == 'BASE'")
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
    gains = []
    for _, group in groups:  # in the order of `means`
        model = group["model"].iloc[0]
        gain = _differences(group, base, "diff") if model != "BASE" else {}
        if table == 2 and "+ICFS" in model:
            without = rows[rows["model"] == model.replace("+ICFS", "")]
            gain |= _differences(group, without, "icfs")
        gains.append(gain)
    means = means.join(pd.DataFrame(gains, means.index, [*TO_BASE, *OF_ICFS], float))
    places = means[row].map(ABLATION_ROWS.index) if row == "model" else means[row]
    means = _in_order(means, list(places))
    if published not in (None, "none"):
        means = pd.concat([published_ablation(published, table), means], ignore_index=True)
    percent = SPREAD + TO_BASE + (OF_ICFS if table == 2 else [])
    columns = [row, "backbone", *percent, *COLUMNS[COLUMNS.index("source") :]]
    means = means.reindex(columns=columns).astype({"images": "Int64", "seeds": "Int64"})
    means[percent] = means[percent].astype(float).round(2)
    seeds = rows[[row, *(name for name in SEED_COLUMNS if name not in ABLATIONS.values())]]
    return means, seeds.round(dict.fromkeys(FIGURES, 2))


def _differences(rows: pd.DataFrame, others: pd.DataFrame, what: str) -> dict[str, float]:
    """How much better one model is than another, `NAME_what`, `…_low` and `…_high` for each figure.

    Args:
        rows: rows of `by_seed` of the one.
        others: of the other. Compared is what both have of the same protocol, number of images and
            seed; a seed that either has twice is left out.
    """
    keys = ["protocol", "images", "seed"]
    pairs = rows.merge(others, on=keys, suffixes=("", "_other")).drop_duplicates(keys, keep=False)
    found: dict[str, float] = {}
    for name in FIGURES:
        texts = pairs[[f"{name}_hits", f"{name}_hits_other"]].dropna()
        if len(texts):
            a, b = (np.stack([*map(read_outcomes, texts[column])]) for column in texts)
            ends = [f"{name}_{what}{end}" for end in ("", "_low", "_high")]
            found |= zip(ends, paired_difference(a, b), strict=True)
    return found


def published_ablation(dataset: str, table: int) -> pd.DataFrame:
    """The paper's Table 2, 3 or 4 for `cub`, in percent; it states no spread, thresholds or seeds.

    Raises:
        InputError: the paper has no figures for the data set.
    """
    if dataset != "cub":
        raise InputError(f"no published Table {table} for `{dataset}`: use cub or none")
    with resources.files("isic.evaluation").joinpath("published_ablations.csv").open() as file:
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
    and interval beside the mean, as `81.20 ± 1.10 [77.6, 84.3]`; GT-known's differences with their
    intervals, as `+5.2 [3.1, 7.4]`, the others' left out."""
    cells = table.drop(columns=[*TO_BASE, *OF_ICFS], errors="ignore").astype(object)
    for name in ("gt_known_diff", "gt_known_icfs"):
        if name in table:
            ends = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
            text = [f"{x:+z.1f} [{low:z.1f}, {high:z.1f}]" for x, low, high in ends]
            cells.insert(cells.columns.get_loc("source"), name, text)
            cells[name] = cells[name].where(table[name].notna())
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
    right = {*FIGURES, *TO_BASE, *OF_ICFS, "images", "seeds", "lam", "gamma"}
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
