"""isic figure similar-classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output
from isic.commands.options import File
from isic.settings.kinds import Gamma
from isic.settings.sections import Classifier


def similar_classes(
    index: Index,
    images: ImagesFile,
    similarity: Annotated[Path, File("similarity.h5.")],
    output: Output,
    gamma: Gamma = Classifier.gamma,
) -> None:
    """Groups of similar classes, an image of each (Figure 6)."""
    from isic.data.index import read_index
    from isic.data.pack import load_images
    from isic.evaluation.figures.drawing import save
    from isic.evaluation.figures.fonts import unwritten
    from isic.evaluation.figures.similar_classes import similar_classes
    from isic.method.similarity import read_similarity

    table = read_index(index)
    matrix, names = read_similarity(similarity)
    save(similar_classes(matrix, names, gamma, table, load_images(images, table)), output)
    for line in unwritten(names):
        print(f"warning: {line}")
