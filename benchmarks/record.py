r"""Keep what runs measured: one row a figure, from their scores.json and the logs beside them.

    python benchmarks/record.py docs/results/icfs.csv --commit abc1234 --machine "2 cores, …" \
        results/*/*/scores.json

Rows of the same data, protocol, model, λ, γ, seed, figure, commit and machine are replaced, others
stay. `settings` are the options of the trainings behind the figure.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pandas as pd

FIGURES = ("gt_known", "top1_loc", "top5_loc")
KEYS = ["data", "split", "protocol", "model", "lam", "gamma", "seed", "figure", "commit", "machine"]
COLUMNS = [*KEYS[:-2], "value", "low", "high", "images", "threshold", "settings", *KEYS[-2:]]


def rows(path: Path, settings: str) -> list[dict]:
    """The figures of one scores.json, below results/DATA/RUN."""
    found = []
    content = json.loads(path.read_text(encoding="utf-8"))
    for result in content if isinstance(content, list) else [content]:
        for protocol, figures in result["protocols"].items():
            for name in FIGURES:
                low, high = figures[f"{name}_interval"]
                found.append(
                    {key: result.get(key) for key in ("model", "lam", "gamma", "seed", "images")}
                    | {"data": path.parts[-3], "split": "test", "protocol": protocol}
                    | {"threshold": result["threshold"], "settings": settings, "figure": name}
                    | {"value": figures[name], "low": low, "high": high}
                )
    return found


def trained_with(path: Path) -> str:
    """The options of the trainings behind a run, as their logs print them."""
    folder = path.parent
    arm, _, kind = folder.name.rpartition("_")
    stages = {"segmenter": ["classifier", "segmenter"]}.get(kind, ["classifier"])
    if arm.startswith("plain"):
        stages = ["recognizer"]
    words = []
    for stage in stages:
        log = folder.parent / "logs" / arm / f"{stage}.log"
        if log.exists():
            line = log.read_text(encoding="utf-8").partition("\n")[0]
            options = re.findall(
                r"--([a-z-]+) ([\w.-]+)(?= |$)", line.replace("--no-deterministic", "")
            )
            left = ("weights", "similarity", "masks", "tensorboard", "seed", "lam", "gamma")
            chosen = [f"{name}={value}" for name, value in options if name not in left]
            words.append(f"{stage}: {' '.join(chosen)}")
    return "; ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("scores", type=Path, nargs="+")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--machine", required=True)
    asked = parser.parse_args()
    new = pd.DataFrame(
        [row for path in asked.scores for row in rows(path, trained_with(path))]
    ).assign(commit=asked.commit, machine=asked.machine)
    tables = [new.reindex(columns=COLUMNS)]
    if asked.table.exists():
        tables.insert(0, pd.read_csv(asked.table))
    both = pd.concat(tables, ignore_index=True).drop_duplicates(KEYS, keep="last")
    both[["value", "low", "high"]] = both[["value", "low", "high"]].astype(float).round(2)
    both = both.astype({"seed": "Int64"}).sort_values(KEYS, kind="stable")
    asked.table.parent.mkdir(parents=True, exist_ok=True)
    both.to_csv(asked.table, index=False)


if __name__ == "__main__":
    main()
