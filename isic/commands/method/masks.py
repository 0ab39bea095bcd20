"""isic masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Output
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError, some
from isic.settings.kinds import Resize
from isic.settings.sections import Images, Masks


def masks(
    features: Annotated[Path, File("One shard of feature maps.")],
    directions: Annotated[Path, File("The shard's directions.")],
    output: Output,
    settings: Masks,
    size: Resize = Images.resize,
) -> None:
    """Write the pseudo-masks of one shard's training images."""
    from isic.method.masks import write_masks
    from isic.storage.hdf5 import open_hdf5, strings
    from isic.storage.layouts import DIRECTIONS, FEATURES

    if settings.background > settings.foreground:
        raise InputError(
            f"masks.background ({settings.background}) is above masks.foreground "
            f"({settings.foreground}): swap them."
        )
    with open_hdf5(features, FEATURES) as maps, open_hdf5(directions, DIRECTIONS) as found:
        image_ids = strings(maps["image_id"])
        thresholds = {"foreground": settings.foreground, "background": settings.background}
        shares = write_masks(output, maps, found, size, command_provenance(), **thresholds)
    print(
        f"{len(shares)} masks, object on {shares.mean():.1%} of the pixels on average; "
        f"{(shares == 0).sum()} empty, {(shares > 0.95).sum()} over the whole image"
    )
    if empty := [name for name, share in zip(image_ids, shares, strict=True) if share == 0]:
        print(f"warning: the pseudo-masks of {some(empty)} are empty: they teach nothing.")
