"""isic figure-similar-classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Images, Index, Output


def figure_similar_classes(
    index: Index,
    images: Images,
    similarity: Annotated[Path, typer.Argument(help="similarity.h5.")],
    output: Output,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
) -> None:
    """Groups of similar classes, an image of each (Figure 6)."""
    from isic.data.index import read_index
    from isic.data.pack import load_images
    from isic.evaluation.figures import save, similar_classes
    from isic.method.similarity import read_similarity

    table = read_index(index)
    matrix, names = read_similarity(similarity)
    save(similar_classes(matrix, names, gamma, table, load_images(images, table)), output)
