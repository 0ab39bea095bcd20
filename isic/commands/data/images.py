"""isic images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Index, Output, Resize, Tested
from isic.commands.running import made_of


def images(
    index: Index,
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Output,
    resize: Resize = 256,
    tested: Tested = False,
) -> None:
    """Decode every image once and keep it at R × R pixels."""
    from isic.data.index import evaluated, read_index
    from isic.data.pack import pack

    table = read_index(index)
    table = table[evaluated(table)] if tested else table
    pack(table, root, output, resize, os.cpu_count() or 1, made_of())
