"""isic truth."""

from __future__ import annotations

from isic.commands.arguments import Index, Layout, Output, SourceRoot
from isic.process import cores


def truth(index: Index, root: SourceRoot, output: Output, type: Layout = "folder") -> None:
    """List the true boxes of a data set's images, which serve for scoring alone."""
    from isic.data.index import read_index
    from isic.data.sources.by_layout import truth_of
    from isic.storage.tables import write_csv

    boxes = truth_of(type, root, read_index(index), cores())
    write_csv(boxes, output)
    print(f"{len(boxes)} boxes")
