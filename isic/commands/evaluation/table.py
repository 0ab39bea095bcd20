"""isic table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from isic.commands.arguments import Output
from isic.commands.options import File
from isic.errors import InputError
from isic.settings.declare import Setting


def table(
    number: Annotated[Literal["1", "2", "3", "4"], Setting("Of the paper.")],
    scores: Annotated[list[Path], File("scores.json of each run and seed.")],
    output: Output,
    seeds: Annotated[
        Path | None, File("2 to 4: CSV to write, each seed's own figures.", writes=True)
    ] = None,
    published: Annotated[
        Literal["cub", "imagenet", "none"], Setting("whose published rows to print, too")
    ] = "none",
    baseline: Annotated[
        list[Path] | None, File("2 to 4: scores.json of BASE where it is no row; repeat.")
    ] = None,
) -> None:
    """A table of the paper: measured rows, and published ones, each said to be what it is.

    1: this run beside the published methods. 2: components, 3: λ, 4: γ; mean and spread over the
    seeds, difference to BASE (Section 4.3).
    """
    from isic.evaluation.tables.ablation import ablation
    from isic.evaluation.tables.printing import format_table
    from isic.evaluation.tables.results import read_scores
    from isic.evaluation.tables.table1 import table1
    from isic.storage.tables import write_csv

    results = read_scores(scores)
    if number == "1":
        rows = table1(results, published)
    else:
        others = read_scores(baseline or [])
        rows, each = ablation(results, int(number), published, others)
        if seeds is None:
            raise InputError(f"table {number} needs --seeds: the CSV of each seed's own figures.")
        write_csv(each, seeds)
    write_csv(rows, output)
    print(format_table(rows))
