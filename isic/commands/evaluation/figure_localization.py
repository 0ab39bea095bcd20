"""isic figure-localization."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Images, Index, Output, Truth
from isic.errors import InputError


def figure_localization(
    index: Index,
    images: Images,
    truth: Truth,
    output: Output,
    run: Annotated[list[str], typer.Option(help="NAME=FOLDER with maps.h5, boxes.csv; repeat.")],
    rows: Annotated[int, typer.Option(min=1, help="Images to show.")] = 6,
) -> None:
    """Test images in rows with each run's map, its box and the true box (Figure 5)."""
    from isic.data.index import read_index, read_truth
    from isic.data.pack import load_images
    from isic.evaluation.figures import localization, read_run, save

    table = read_index(index)
    runs = {name: read_run(folder) for name, folder in _named("--run", run)}
    save(localization(table, load_images(images, table), read_truth(truth), runs, rows), output)


def _named(option: str, items: list[str]) -> list[tuple[str, Path]]:
    """Values `NAME=PATH` of an option; a name may hold an = between spaces, as `λ = 0` does."""
    parts = [re.split(r"(?<! )=(?! )", item, maxsplit=1) for item in items]
    for item, part in zip(items, parts, strict=True):
        if len(part) < 2:
            raise InputError(f"{option} {item}: write NAME=PATH.")
    return [(name, Path(path)) for name, path in parts]
