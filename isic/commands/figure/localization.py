"""isic figure localization."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output, Truth
from isic.commands.options import File
from isic.errors import InputError
from isic.settings.declare import Setting


def localization(
    index: Index,
    images: ImagesFile,
    truth: Truth,
    output: Output,
    maps: Annotated[list[tuple[str, Path]], File("maps.h5 of a run; repeat for each column.")],
    boxes: Annotated[list[tuple[str, Path]], File("boxes.csv of the same runs.")],
    rows: Annotated[int, Setting("images to show", least=1)] = 6,
) -> None:
    """Test images in rows with each run's map, its box and the true box (Figure 5)."""
    from isic.data.index import classes, read_index, read_truth
    from isic.data.pack import load_images
    from isic.evaluation.figures.drawing import save
    from isic.evaluation.figures.fonts import unwritten
    from isic.evaluation.figures.localization import localization, read_run

    table = read_index(index)
    files = dict(boxes)
    if differing := dict(maps).keys() ^ files.keys():
        raise InputError(f"--maps and --boxes: {min(differing)} stands in only one of them.")
    runs = {name: read_run(path, files[name]) for name, path in maps}
    save(localization(table, load_images(images, table), read_truth(truth), runs, rows), output)
    for line in unwritten(classes(table)):
        print(f"warning: {line}")
