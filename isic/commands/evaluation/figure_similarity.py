"""isic figure-similarity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output


def figure_similarity(
    similarity: Annotated[Path, typer.Argument(help="similarity.h5.")],
    output: Output,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
) -> None:
    """The inter-class similarity matrix, similar classes side by side (Figure 4c)."""
    from isic.evaluation.figures import save
    from isic.evaluation.figures import similarity as draw
    from isic.method.similarity import read_similarity

    save(draw(*read_similarity(similarity), gamma), output)
