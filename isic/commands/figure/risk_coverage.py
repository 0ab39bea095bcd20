"""isic figure risk-coverage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Index, Truth
from isic.commands.options import File


def risk_coverage(
    index: Index,
    truth: Truth,
    boxes: Annotated[Path, File("boxes.csv that isic predict wrote.")],
    output: Annotated[Path, File("CSV to write.", writes=True)],
    figure: Annotated[Path, File("PNG to write.", writes=True)],
) -> None:
    """What the confidence is worth: misses among the most confident images, by their share."""
    import pandas as pd

    from isic.data.index import read_index, read_truth
    from isic.evaluation.figures.drawing import save
    from isic.evaluation.figures.risk_coverage import risk_coverage as draw
    from isic.evaluation.trust import confidence_and_hits, halves
    from isic.evaluation.trust import risk_coverage as curve
    from isic.localization.boxes import read_boxes
    from isic.storage.tables import write_csv

    parts = confidence_and_hits(
        read_index(index), read_truth(truth), read_boxes(boxes, "confidence")
    )
    curves = {}
    for split, part in parts.items():
        curves[split] = curve(*part)
        line = f"{split}: {part[1].mean():.1%} of {len(part[1])} images hit"
        if len(part[1]) > 1:
            more, less = halves(*part)
            line += f"; {more:.1%} of the more confident half, {less:.1%} of the rest"
        print(line)
    write_csv(pd.concat([c.assign(split=split) for split, c in curves.items()]), output)
    save(draw(curves), figure)
