"""isic truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Index, Layout, Output, SourceRoot
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.process import cores


def truth(
    index: Index,
    root: SourceRoot,
    output: Output,
    masks: Annotated[
        Path | None, File("true_masks.h5 to write, too: the true masks, if any.", writes=True)
    ] = None,
    type: Layout = "folder",
) -> None:
    """List the true boxes of a data set's images, and pack its true masks, for scoring alone."""
    from isic.data.index import read_index
    from isic.data.sources.by_layout import truth_of
    from isic.data.true_masks import write_masks
    from isic.storage.tables import write_csv

    boxes, png = truth_of(type, root, read_index(index), cores())
    if masks:
        write_masks(png, masks, command_provenance())
    write_csv(boxes, output)
    print(f"{len(boxes)} boxes, {len(png)} masks")
