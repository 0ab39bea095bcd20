"""isic images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Index, Output, Shard, Shards, SourceRoot
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError
from isic.process import cores
from isic.settings.declare import Setting
from isic.settings.kinds import Resize, Store
from isic.settings.sections import Images


def images(
    index: Index,
    root: SourceRoot,
    output: Output,
    resize: Resize = Images.resize,
    store: Store = Images.store,
    tested: Annotated[bool, Setting("only the images that get boxes")] = False,
    shard: Shard = 0,
    shards: Shards = 1,
    join: Annotated[
        list[Path] | None, File("jpeg: write the file that finds each image in these shards.")
    ] = None,
) -> None:
    """Decode every image once and keep it at R × R pixels, or, in shards, as JPEG."""
    from isic.data.index import evaluated, read_index
    from isic.data.pack import join_shards, pack, pack_shard
    from isic.data.shards import shard as part

    if join:
        join_shards(join, output, command_provenance())
        return
    table = read_index(index)
    table = table[evaluated(table)] if tested else table
    workers = cores()
    if store == "pixels":
        pack(table, root, output, resize, workers, command_provenance())
        return
    rows = part(len(table), shard, shards)
    if not rows:
        raise InputError(
            f"images.shards: {shards} shards for {len(table)} images; lower it to {len(table)}."
        )
    own = table[rows.start : rows.stop]
    pack_shard(own, root, output, resize, workers, command_provenance())
