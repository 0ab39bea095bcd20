"""isic image-shard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Index, Output, Resize, Tested
from isic.commands.running import made_of
from isic.errors import InputError


def image_shard(
    index: Index,
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Output,
    shard: Annotated[int, typer.Option(min=0, help="Which shard of images.")] = 0,
    shards: Annotated[int, typer.Option(min=1, help="Shards in all.")] = 1,
    resize: Resize = 256,
    tested: Tested = False,
) -> None:
    """Keep one shard's images at R × R pixels, as JPEG."""
    from isic.data.index import evaluated, read_index
    from isic.data.pack import pack_shard
    from isic.data.shards import shard as part

    table = read_index(index)
    table = table[evaluated(table)] if tested else table
    rows = part(len(table), shard, shards)
    if not rows:
        raise InputError(
            f"images.shards: {shards} shards for {len(table)} images; lower it to {len(table)}."
        )
    rows = slice(rows.start, rows.stop)
    pack_shard(table[rows], root, output, resize, os.cpu_count() or 1, made_of())
