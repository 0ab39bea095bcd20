"""isic summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output
from isic.errors import InputError


def summary(
    folder: Annotated[Path, typer.Argument(help="results/DATASET: what the run left.")],
    output: Output,
    settings: Annotated[str, typer.Option(help="The data set's settings, to show: JSON.")] = "{}",
) -> None:
    """One page on a run: counts, tables, warnings, times and memory, settings, versions."""
    import json

    from isic.evaluation.report import summarize
    from isic.storage.files import atomic

    try:
        shown = json.loads(settings)
    except ValueError as error:
        raise InputError(f"--settings: no JSON ({error}).") from error
    page = summarize(folder, shown)
    with atomic(output) as part:
        part.write_text(page, encoding="utf-8")
