"""isic check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.settings.declare import Setting


def check(
    run: Annotated[Path, File("Run with pseudo-masks: results/DATASET/lambda~1.0_….")],
    output: Annotated[
        Path | None, File("HTML file to write. [default: RUN/check.html]", writes=True)
    ] = None,
    examples: Annotated[int, Setting("images of a kind, a class", least=1)] = 4,
) -> None:
    """Contact sheets of the pseudo-masks, by class, before the segmenter is trained on them.

    The best, typical and worst masks of each class, one image at several thresholds, and warnings:
    empty masks, masks over the whole image, a direction unlike the other classes'.
    """
    from isic.product.check import check_page
    from isic.storage.files import atomic

    page, warnings = check_page(run, examples)
    with atomic(output or run / "check.html") as part:
        part.write_text(page, encoding="utf-8")
    for warning in warnings:
        print(f"warning: {warning}")
