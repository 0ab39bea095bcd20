"""isic join-shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output
from isic.commands.running import made_of


def join_shards(
    shards: Annotated[list[Path], typer.Argument(help="Shards of images, in order.")],
    output: Output,
) -> None:
    """Write the file that finds each image in its shard: images~R.h5 of JPEGs."""
    from isic.data.pack import join_shards as join

    join(shards, output, made_of())
