"""isic table1."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output


def table1(
    scores: Annotated[list[Path], typer.Argument(help="scores.json of each run.")],
    output: Output,
    published: Annotated[
        str, typer.Option(help="Whose published rows to print too: cub, imagenet or none.")
    ] = "none",
) -> None:
    """Table 1: published rows and this run's, each said to be what it is."""
    from isic.evaluation.tables import format_table, read_scores
    from isic.evaluation.tables import table1 as table_1
    from isic.storage.tables import write_csv

    table = table_1(read_scores(scores), published)
    write_csv(table, output)
    print(format_table(table))
