"""isic figure loss-curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Output
from isic.commands.options import File


def loss_curves(
    output: Output,
    curves: Annotated[
        list[tuple[str, Path]], File("curves.csv of an arm; repeat for each seed and arm.")
    ],
) -> None:
    """The classifier's cross-entropy and ICFS by epoch (Figures 4d and 4e)."""
    from isic.evaluation.figures.drawing import save
    from isic.evaluation.figures.loss_curves import loss_curves, read_curves

    arms = {
        arm: [read_curves(path) for name, path in curves if name == arm] for arm in dict(curves)
    }
    save(loss_curves(arms), output)
