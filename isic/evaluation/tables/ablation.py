"""Tables 2 to 4: components, λ and γ (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from isic.errors import InputError
from isic.evaluation.statistics import paired_difference, read_outcomes, wilson
from isic.evaluation.tables.results import (
    FIGURES,
    MORE,
    SCORED,
    SEED_COLUMNS,
    by_seed,
    in_order,
    shown,
)
from isic.evaluation.tables.table1 import COLUMNS, INTEGERS
from isic.settings.runs import ABLATION_ROWS, IN_TABLE_2

ABLATIONS = {2: "model", 3: "lam", 4: "gamma"}  # what differs between the rows of each table

# Columns: the figures; what a row has above BASE; and, in Table 2, above the same row without ICFS.
SPREAD = [f"{name}{end}" for name in FIGURES for end in ("", "_sd", "_low", "_high")]
TO_BASE = [f"{name}_diff{end}" for name in FIGURES for end in ("", "_low", "_high")]
OF_ICFS = [f"{name}_icfs{end}" for name in FIGURES for end in ("", "_low", "_high")]


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
        row without ICFS; the means of `MORE`; `source`, `protocol`, `threshold`, `images` and
        `seeds`, their number. Differences are of the seeds that both have, and empty where there is
        nothing to compare with or the results do not hold each image's outcome. And each seed's own
        figures. All but `area_ratio` in percent, to 2 decimals.

    Raises:
        InputError: no published figures for that data set, or scores that are not of the table.
    """
    row = ABLATIONS[table]
    rows = by_seed(scores).replace({"model": IN_TABLE_2})
    if row == "model" and (unknown := set(rows[row]) - set(ABLATION_ROWS)):
        raise InputError(f"Table 2 has no row {min(unknown)}: give the scores of its arms alone.")
    if others := {result["model"] for result in baseline} - {"BASE"}:
        raise InputError(f"--baseline: {min(others)} is not BASE, the CAM of an arm with λ = 0.")
    base = by_seed([*scores, *baseline]).query("model == 'BASE'")
    keys = [row, "backbone", "source", "protocol", "threshold", "images", *SCORED]
    groups = rows.groupby(keys, sort=False, dropna=False)  # at λ = 0 there is no γ
    means = groups[[*FIGURES, *MORE]].mean().join(groups[FIGURES].std().add_suffix("_sd"))
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
    means = in_order(means, list(places))
    if published not in (None, "none"):
        means = pd.concat([published_ablation(published, table), means], ignore_index=True)
    percent = SPREAD + TO_BASE + (OF_ICFS if table == 2 else [])
    columns = [row, "backbone", *percent, *MORE, *COLUMNS[COLUMNS.index("source") :]]
    means = means.reindex(columns=columns).astype(INTEGERS)
    means[percent] = means[percent].astype(float).round(2)
    seeds = rows[[row, *(name for name in SEED_COLUMNS if name not in ABLATIONS.values())]]
    return shown(means), shown(seeds)


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
