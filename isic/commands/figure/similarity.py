"""isic figure similarity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Output
from isic.commands.options import File
from isic.settings.kinds import Gamma
from isic.settings.sections import Classifier


def similarity(
    similarity: Annotated[Path, File("similarity.h5.")],
    output: Output,
    gamma: Gamma = Classifier.gamma,
) -> None:
    """The inter-class similarity matrix, similar classes side by side (Figure 4c)."""
    from isic.evaluation.figures.drawing import save
    from isic.evaluation.figures.fonts import unwritten
    from isic.evaluation.figures.similarity import similarity as draw
    from isic.method.similarity import read_similarity

    matrix, names = read_similarity(similarity)
    save(draw(matrix, names, gamma), output)
    for line in unwritten(names):
        print(f"warning: {line}")
