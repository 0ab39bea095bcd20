"""isic index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from isic.errors import InputError


def index(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Annotated[Path, typer.Argument(writable=True, help="index.csv to write.")],
    truth: Annotated[
        Path, typer.Argument(writable=True, help="truth.csv to write: the true boxes, if any.")
    ],
    type: Annotated[
        str, typer.Option(help="folder, cub or imagenet: the data set's layout.")
    ] = "folder",
    unreadable: Annotated[
        str, typer.Option(help="What to do with an image that cannot be read: error or skip.")
    ] = "error",
) -> None:
    """List a data set's images, classes and boxes, and check every one."""
    from isic.data.sources.cub import index_cub
    from isic.data.sources.folder import index_folder
    from isic.data.sources.imagenet import index_imagenet
    from isic.storage.tables import write_csv

    read = {"folder": index_folder, "cub": index_cub, "imagenet": index_imagenet}.get(type)
    if read is None:
        raise InputError(f"--type {type}: must be folder, cub or imagenet.")
    table, boxes, skipped = read(root, unreadable, workers=os.cpu_count() or 1)
    write_csv(boxes, truth)
    write_csv(table, output)
    counts = table["split"].value_counts()
    print(
        f"{table['class'].nunique()} classes, {counts.get('train', 0)} training images, "
        f"{counts.get('test', 0)} test images, {len(boxes)} boxes, {len(skipped)} left out"
    )
    for name in skipped:
        print(f"left out, cannot be read: {name}")
