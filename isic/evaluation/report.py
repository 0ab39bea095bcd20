"""The summary of a run: one page out of what the run left in its folder, `results/DATASET`.

Counts, Tables 1 to 4, what there is to warn about, times and memory by stage, settings, versions.
The page is for others, too: it loads nothing, and names no user, host or absolute path.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch
import yaml

from isic.data.index import classes, evaluated, read_index, read_truth
from isic.evaluation.tables.printing import compact, notes, read_table
from isic.evaluation.trust import MANY, WHOLE
from isic.storage.hdf5 import open_hdf5
from isic.storage.layouts import MASKS

TABLES = {
    "table1": "Table 1: localisation",
    "table2": "Table 2: components",
    "table3": "Table 3: λ",
    "table4": "Table 4: γ",
}
PACKAGES = (
    *("isic", "snakemake", "torch", "torchvision", "numpy"),
    *("scikit-learn", "h5py", "pandas", "pillow"),
)
NONE = "-"  # as in the tables

# Of a path of two parts and more the last; not within a word, an address or a relative path.
ABSOLUTE = re.compile(r"(?<![\w.…/:~-])~?/(?:[^\s/:,;()'\"]+/)+([^\s/:,;()'\"]+)")

LEFT_OUT, WARNING = "left out, cannot be read:", "warning:"


def lines_after(prefix: str, log: str) -> list[str]:
    """The rest of each line of a log that begins so; a progress bar's `\\r` ends a line, too."""
    lines = (line for line in log.splitlines() if line.startswith(prefix))
    return [line.removeprefix(prefix).strip() for line in lines]


def without_places(log: str) -> str:
    """A log's text in which absolute paths are shortened to their last part: `…/photos`.

    They are known by the command in its first line, as they may hold spaces; others by their form.
    """
    first = log.partition("\n")[0]
    try:
        words = shlex.split(first)
    except ValueError:  # no command
        words = []
    named = {word.partition("=")[2] if "=" in word else word for word in words}
    for path in sorted((Path(p) for p in named if p.startswith("/")), key=str, reverse=True):
        whole = rf"(?<![\w.…/]){re.escape(str(path))}(?![\w-]|\.\w)"
        log = re.sub(whole, lambda _, name=path.name: f"…/{name}", log)  # type: ignore[misc]
    return ABSOLUTE.sub(r"…/\1", log)


def counts(index: pd.DataFrame, truth: pd.DataFrame, left_out: Iterable[str]) -> dict[str, int]:
    """How many of what the data set holds, in words."""
    scored = index["image_id"].iloc[evaluated(index)]
    return {
        "classes": len(classes(index)),
        "training images": int((index["split"] == "train").sum()),
        "test images": int((index["split"] == "test").sum()),
        "true boxes": len(truth),
        "images that get boxes": len(scored),
        "of them with a true box": int(scored.isin(truth["image_id"]).sum()),
        "images left out": len(list(left_out)),
    }


def logged_warnings(logs: Mapping[str, str]) -> list[str]:
    """The lines of the logs (name → text) that warn, each text once, with the logs that hold it."""
    places: dict[str, list[str]] = {}
    for name, log in logs.items():
        for text in dict.fromkeys(lines_after(WARNING, log)):
            places.setdefault(text, []).append(name)
    return [
        f"{text} ({f'{len(names)} logs: ' if len(names) > 1 else ''}{', '.join(names)})"
        for text, names in places.items()
    ]


def mask_shares(shares: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How many pseudo-masks say nothing: columns arm, masks, empty, whole (percent), a row an arm.

    Args:
        shares: by arm, (n,) float, the object's share of each mask.
    """
    rows = [
        (arm, len(share), 100 * (share == 0).mean(), 100 * (share > WHOLE).mean())
        for arm, share in shares.items()
    ]
    return pd.DataFrame(rows, columns=["arm", "masks", "empty", "whole"])


def mask_warnings(table: pd.DataFrame) -> list[str]:
    """Arms of which more than `MANY` of the pseudo-masks are empty, or the whole image."""
    return [
        f"{row.arm}: {getattr(row, kind):.1f} % of the pseudo-masks {what}"
        for row in table.itertuples()
        for kind, what in (("empty", "are empty"), ("whole", "take the whole image for object"))
        if getattr(row, kind) > 100 * MANY
    ]


def beaten(table1: pd.DataFrame) -> list[str]:
    """The models of Table 1 below the best trivial box in GT-known: a line a protocol."""
    lines = []
    scored = table1[(table1["source"] == "measured") & table1["gt_known"].notna()]
    for protocol, rows in scored.groupby("protocol", sort=False):
        trivial = rows["backbone"] == "none"
        for box in rows[trivial].nlargest(1, "gt_known").to_dict("records"):
            most = box["gt_known"]
            below = ", ".join(
                f"{row['model']} ({row['gt_known']:.2f}) by {most - row['gt_known']:.2f} points"
                for row in rows[~trivial].to_dict("records")
                if row["gt_known"] < most
            )
            if below:
                best = f"the trivial box {box['model']} (GT-known {most:.2f})"
                lines.append(f"protocol {protocol}: {best} beats {below}")
    return lines


def stage(path: PurePath) -> str:
    """The stage of a file below `benchmarks`: its folder's name, unless that is an arm or a run.

    `lambda~0_seed~0/features/0.tsv` is features, `lambda~0_seed~0_cam/maps.tsv` is maps,
    `images~112.tsv` is images.
    """
    folder = path.parent.name
    return folder if folder and "~" not in folder else path.stem.partition("~")[0]


def times(jobs: pd.DataFrame) -> pd.DataFrame:
    """Times and memory by stage, the longest first, then a row `total`.

    Args:
        jobs: a row a job: stage, s (seconds), max_rss (MiB); nan where not measured.

    Returns:
        Columns stage, jobs, seconds, longest (seconds), peak (MiB).
    """

    columns = {
        "jobs": ("s", "size"),
        "seconds": ("s", "sum"),
        "longest": ("s", "max"),
        "peak": ("max_rss", "max"),
    }
    stages = jobs.groupby("stage").agg(**columns).sort_values("seconds", ascending=False)
    total = jobs.assign(stage="total").groupby("stage").agg(**columns)
    return pd.concat([stages, total]).reset_index()


def environment() -> dict[str, str]:
    """Versions and the machine, without its name."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "processors": str(os.cpu_count()),
        "GPU": ", ".join(gpus) or "none",
    }


def summarize(folder: Path, settings: Mapping[str, Any]) -> str:
    """The summary page of the run in `folder`, HTML.

    Args:
        folder: `results/DATASET`; a table that is not in it is said to be missing.
        settings: of the data set, to be shown.

    Raises:
        InputError: there is no index, or no truth.
    """
    index, truth = read_index(folder / "index.csv"), read_truth(folder / "truth.csv")
    logs = _read_logs(folder / "logs")
    left_out = lines_after(LEFT_OUT, logs.get("index", ""))
    paths = {name: folder / f"{name}.csv" for name in TABLES}
    tables = {name: read_table(path) for name, path in paths.items() if path.is_file()}
    masks = mask_shares(_read_shares(folder))
    warnings = mask_warnings(masks) + logged_warnings(logs)
    if "table1" in tables:
        warnings = beaten(tables["table1"]) + warnings
    # What goes onto the page is text; the template escapes it.
    return _page(
        dataset=folder.resolve().name,
        counts=counts(index, truth, left_out),
        left_out=left_out,
        warnings=warnings,
        titles=TABLES,
        tables={name: compact(table) for name, table in tables.items()},
        notes={name: notes(table) for name, table in tables.items()},
        masks=masks.assign(empty=masks["empty"].map(_percent), whole=masks["whole"].map(_percent)),
        times=_times_as_text(times(_read_jobs(folder / "benchmarks"))),
        settings=yaml.safe_dump(
            dict(settings), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        ),
        environment=environment(),
    )


def _page(**content: Any) -> str:
    page = resources.files("isic.evaluation").joinpath("summary.html").read_text(encoding="utf-8")
    templates = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return templates.from_string(page).render(content)


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _times_as_text(table: pd.DataFrame) -> pd.DataFrame:
    def duration(seconds: float) -> str:
        return NONE if pd.isna(seconds) else str(timedelta(seconds=round(seconds)))

    return pd.DataFrame(
        {
            "stage": table["stage"],
            "jobs": table["jobs"],
            "time": table["seconds"].map(duration),
            "longest job": table["longest"].map(duration),
            "peak memory": [NONE if pd.isna(x) else f"{x:,.0f} MiB" for x in table["peak"]],
        }
    )


def _files(folder: Path, suffix: str) -> list[Path]:
    """Files below a folder, sorted; those of an earlier summary tell nothing of the run."""
    return sorted(path for path in folder.rglob(f"*{suffix}") if path.stem != "summary")


def _read_logs(folder: Path) -> dict[str, str]:
    """The logs' texts, by name: `lambda~0_seed~0/classifier`."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): without_places(
            path.read_text("utf-8", "replace")
        )
        for path in _files(folder, ".log")
    }


def _read_shares(folder: Path) -> dict[str, np.ndarray]:
    """The object's share of each pseudo-mask, by arm."""
    shares: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("*/masks/*.h5")):
        with open_hdf5(path, MASKS) as file:
            shares.setdefault(path.parts[-3], []).append(file["object_share"][:])
    return {arm: np.concatenate(parts) for arm, parts in shares.items()}


def _read_jobs(folder: Path) -> pd.DataFrame:
    """The benchmarks, a row a job: stage, s, max_rss; nan where they say NA or -."""
    parts = [
        pd.read_csv(path, sep="\t", usecols=["s", "max_rss"], dtype=str).assign(
            stage=stage(path.relative_to(folder))
        )
        for path in _files(folder, ".tsv")
    ]
    jobs = pd.concat([pd.DataFrame(columns=["stage", "s", "max_rss"]), *parts], ignore_index=True)
    numbers = {name: pd.to_numeric(jobs[name], errors="coerce") for name in ("s", "max_rss")}
    return jobs.assign(**numbers)
