"""Results as scores.json files hold them, and as a table: a row a model, seed and protocol."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jsonschema
import pandas as pd

from isic.errors import InputError
from isic.evaluation.protocols import PROTOCOLS
from isic.storage.faults import reading

FIGURES = ["top1_loc", "top5_loc", "gt_known"]
MASK_FIGURES = ["pxap", "mask_iou", "boundary_iou"]  # of data sets with true masks
BOX_FIGURES = ["mean_iou", "gt_known_70", "area_ratio"]
MORE = [*BOX_FIGURES, *MASK_FIGURES]  # without intervals
HITS = [f"{name}_hits" for name in FIGURES]  # the outcome of each image
SEED_COLUMNS = ["model", "lam", "gamma", "backbone", "seed", *FIGURES, *MORE]
SEED_COLUMNS += ["source", "protocol", "threshold", "images"]
# Which images were scored; older results do not say.
SCORED = {"split": "test", "without_box": 0, "note": ""}
SEED_COLUMNS += SCORED
COUNTS = ["seed", "images", "without_box"]

# What is read of a scores.json.
HEADING = ("model", "backbone", "seed", "source", "threshold", "images")
_TEXT, _NUMBER = {"type": "string"}, {"type": ["number", "null"]}
_COUNT = {"type": "integer"}
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
                **dict.fromkeys(("images", "without_box"), _COUNT),
                **dict.fromkeys(("split", "note"), _TEXT),
                "protocols": {
                    "type": "object",
                    "propertyNames": {"enum": list(PROTOCOLS)},
                    "additionalProperties": {
                        "type": "object",
                        "required": FIGURES,
                        "properties": dict.fromkeys([*FIGURES, *MORE], _NUMBER)
                        | dict.fromkeys(HITS, _TEXT),
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
            with reading(path), open(path, encoding="utf-8") as file:
                content = json.load(file)
        except ValueError as error:
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


def by_seed(scores: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each result and protocol, as in scores.json: percent, not rounded.

    A result with no protocol (there was no true box) gives one row without figures.

    Returns:
        `model`, `lam`, `gamma`, `backbone`, `seed`, the figures, `source`, `protocol`,
        `threshold`, `images`, `SCORED`, and `HITS`, the figures' outcomes by image as text of 0
        and 1.
    """
    rows = [
        {name: result.get(name, SCORED.get(name)) for name in SEED_COLUMNS}
        | {name: figures.get(name) for name in (*FIGURES, *MORE, *HITS)}
        | {"protocol": protocol}
        for result in scores
        for protocol, figures in (result["protocols"] or {"none": {}}).items()
    ]
    table = pd.DataFrame(rows, columns=[*SEED_COLUMNS, *HITS])
    return table.astype(dict.fromkeys([*FIGURES, *MORE], float) | dict.fromkeys(COUNTS, "Int64"))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table with figures to 2 decimals, and without those of masks where there are none."""
    lacking = [name for name in MASK_FIGURES if table[name].isna().all()]
    return table.round(dict.fromkeys([*FIGURES, *MORE], 2)).drop(columns=lacking)


def in_order(table: pd.DataFrame, rows: Sequence[int]) -> pd.DataFrame:
    """The table by protocol, then by these places of its rows."""
    protocol = table["protocol"].map([*PROTOCOLS, "none"].index)
    order = pd.DataFrame({"protocol": protocol, "row": rows}, table.index)
    order = order.sort_values(["protocol", "row"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)
