"""isic index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from isic.commands.options import File
from isic.process import cores
from isic.settings.declare import Setting
from isic.settings.kinds import Unreadable
from isic.settings.sections import Images


def index(
    root: Annotated[Path, File("Folder of the data set.")],
    output: Annotated[Path, File("index.csv to write.", writes=True)],
    truth: Annotated[Path, File("truth.csv to write: the true boxes, if any.", writes=True)],
    type: Annotated[
        Literal["folder", "cub", "imagenet", "pets"], Setting("the data set's layout")
    ] = "folder",
    unreadable: Unreadable = Images.unreadable,
) -> None:
    """List a data set's images, classes and boxes, and check every one."""
    from isic.data.sources.cub import index_cub
    from isic.data.sources.folder import index_folder
    from isic.data.sources.imagenet import index_imagenet
    from isic.data.sources.pets import index_pets
    from isic.storage.tables import write_csv

    sources = {
        "folder": index_folder,
        "cub": index_cub,
        "imagenet": index_imagenet,
        "pets": index_pets,
    }
    table, boxes, skipped = sources[type](root, unreadable, workers=cores())
    write_csv(boxes, truth)
    write_csv(table, output)
    counts = table["split"].value_counts()
    print(
        f"{table['class'].nunique()} classes, {counts.get('train', 0)} training images, "
        f"{counts.get('test', 0)} test images, {len(boxes)} boxes, {len(skipped)} left out"
    )
    for name in skipped:
        print(f"left out, cannot be read: {name}")
