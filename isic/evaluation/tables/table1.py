"""Table 1: this run beside what was published (section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import pandas as pd

from isic.errors import InputError
from isic.evaluation.tables.results import FIGURES, MORE, SCORED, by_seed, in_order, shown
from isic.evaluation.trivial import TRIVIAL
from isic.settings.runs import ISIC

COLUMNS = ["model", "backbone", *FIGURES, *MORE]
COLUMNS += ["source", "protocol", "threshold", "images", "seeds", *SCORED]
INTEGERS = dict.fromkeys(("images", "seeds", "without_box"), "Int64")
FIRST = (*TRIVIAL, "CAM", "BASE")


def table1(scores: Sequence[dict[str, Any]], published: str | None = None) -> pd.DataFrame:
    """Table 1: published rows for `published` (cub, imagenet; None or `none`: none), then this run.

    Args:
        scores: results as `scores.score` and `score_trivial` give them, in any order.

    Returns:
        The columns `COLUMNS`, those of masks only where there are any; figures to 2 decimals, all
        but `area_ratio` in percent, empty where not stated or not scored. `images` and `seeds` are
        nullable integers, `seeds` the number of seeds averaged.

    Raises:
        InputError: no published figures for that data set.
    """
    parts = [measured_rows(scores)]
    if published not in (None, "none"):
        parts.insert(0, published_rows(published))
    parts = [part for part in parts if len(part)] or parts[:1]
    return shown(pd.concat([part.astype(INTEGERS) for part in parts], ignore_index=True))


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


def measured_rows(scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row for each model and protocol, the mean over the seeds of a model, in `COLUMNS`."""
    table = by_seed(scores)
    keys = [name for name in COLUMNS if name not in (*FIGURES, *MORE, "seeds")]
    means = table.groupby(keys, sort=False, as_index=False).agg(
        **{name: (name, "mean") for name in (*FIGURES, *MORE)}, seeds=("seed", "nunique")
    )
    means["seeds"] = means["seeds"].astype("Int64").mask(means["seeds"] == 0)
    places = [
        FIRST.index(name) if name in FIRST else len(FIRST) + (name == ISIC)
        for name in means["model"]
    ]
    return in_order(means, places)[COLUMNS]
