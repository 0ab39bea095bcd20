"""isic birds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Seed


def birds(
    output: Annotated[Path, typer.Argument(writable=True, help="Folder to write.")],
    genera: Annotated[int, typer.Option(min=1)] = 4,
    species: Annotated[int, typer.Option(min=1, help="Species a genus.")] = 3,
    train_images: Annotated[int, typer.Option(min=1, help="Training images a species.")] = 40,
    test_images: Annotated[int, typer.Option(min=1, help="Test images a species.")] = 20,
    size: Annotated[int, typer.Option(min=32, help="Longer side of an image, pixels.")] = 160,
    seed: Seed = 0,
) -> None:
    """Draw the data set birds: class folders, boxes.csv, masks."""
    from isic.data.sources.birds import generate

    generate(
        output,
        genera=genera,
        species=species,
        train_images=train_images,
        test_images=test_images,
        size=size,
        seed=seed,
    )
