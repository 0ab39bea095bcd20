"""isic check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    run: Annotated[
        Path, typer.Argument(help="Run with pseudo-masks: results/DATASET/lambda~1.0_….")
    ],
    output: Annotated[
        Path | None,
        typer.Argument(
            writable=True,
            help="HTML file to write. [default: RUN/check.html]",
            callback=lambda ctx, path: path or ctx.params["run"] / "check.html",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Images of a kind, a class.")] = 4,
) -> None:
    """Contact sheets of the pseudo-masks, by class, before the segmenter is trained on them.

    The best, typical and worst masks of each class, one image cut at several thresholds, and
    warnings: empty masks, masks over the whole image, a direction unlike the other classes'.
    """
    from isic.product.check import check_page
    from isic.storage.files import atomic

    page, warnings = check_page(run, examples)
    with atomic(output) as part:
        part.write_text(page, encoding="utf-8")
    for warning in warnings:
        print(f"warning: {warning}")
