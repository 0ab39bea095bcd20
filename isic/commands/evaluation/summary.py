"""isic summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Output
from isic.commands.options import File
from isic.errors import InputError
from isic.settings.declare import Setting


def summary(
    folder: Annotated[Path, File("results/DATASET: what the run left.")],
    output: Output,
    settings: Annotated[str, Setting("the data set's settings, to show: JSON")] = "{}",
) -> None:
    """One page on a run: counts, tables, warnings, times and memory, settings, versions."""
    from isic.evaluation.report import summarize
    from isic.storage.files import atomic

    try:
        shown = json.loads(settings)
    except ValueError as error:
        raise InputError(f"--settings: no JSON ({error}).") from error
    page = summarize(folder, shown)
    with atomic(output) as part:
        part.write_text(page, encoding="utf-8")
