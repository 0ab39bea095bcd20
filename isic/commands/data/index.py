"""isic index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Layout, SourceRoot
from isic.commands.options import File
from isic.process import cores
from isic.settings.kinds import Unreadable
from isic.settings.sections import Images


def index(
    root: SourceRoot,
    output: Annotated[Path, File("index.csv to write.", writes=True)],
    truth: Annotated[
        Path | None, File("truth.csv to write, too; see isic truth.", writes=True, optional=True)
    ] = None,
    origin: Annotated[
        Path | None, File("JSON to write: which folder the results beside it are of.", writes=True)
    ] = None,
    type: Layout = "folder",
    unreadable: Unreadable = Images.unreadable,
) -> None:
    """List a data set's images and classes, and check every image."""
    from isic.data.sources.by_layout import index_of, truth_of
    from isic.storage.files import write_json
    from isic.storage.tables import write_csv

    workers = cores()
    table, skipped = index_of(type, root, unreadable, workers)
    if truth:
        boxes, _ = truth_of(type, root, table, workers)
        write_csv(boxes, truth)
    if origin:
        place = os.path.relpath(os.path.realpath(root), os.path.realpath(origin.parent))
        write_json({"root": place}, origin)
    write_csv(table, output)
    counts = table["split"].value_counts()
    print(
        f"{table['class'].nunique()} classes, {counts.get('train', 0)} training images, "
        f"{counts.get('test', 0)} test images, {f'{len(boxes)} boxes, ' if truth else ''}"
        f"{len(skipped)} left out"
    )
    for name in skipped:
        print(f"left out, cannot be read: {name}")
