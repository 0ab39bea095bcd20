"""isic ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output


def ablation(
    scores: Annotated[list[Path], typer.Argument(help="scores.json of each row and seed.")],
    output: Output,
    seeds: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: each seed's own figures.")
    ],
    table: Annotated[int, typer.Option(min=2, max=4, help="2: components, 3: λ, 4: γ.")],
    published: Annotated[
        str, typer.Option(help="Whose published rows to print too: cub or none.")
    ] = "none",
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="scores.json of BASE where it is no row; repeat for each seed."),
    ] = None,
) -> None:
    """Table 2, 3 or 4: mean and spread over the seeds, difference to BASE (Section 4.3)."""
    from isic.evaluation.tables import ablation as ablation_table
    from isic.evaluation.tables import format_table, read_scores
    from isic.storage.tables import write_csv

    means, each = ablation_table(read_scores(scores), table, published, read_scores(baseline or []))
    write_csv(each, seeds)
    write_csv(means, output)
    print(format_table(means))
