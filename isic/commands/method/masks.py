"""isic masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output
from isic.commands.running import made_of
from isic.errors import InputError


def masks(
    features: Annotated[Path, typer.Argument(help="One shard of feature maps.")],
    directions: Annotated[Path, typer.Argument(help="The shard's directions.")],
    output: Output,
    size: Annotated[int, typer.Option(min=32, help="R: side of a mask, pixels.")] = 256,
    foreground: Annotated[
        float, typer.Option(min=0, help="Object: above this multiple of the class's mean.")
    ] = 1.5,
    background: Annotated[
        float, typer.Option(min=0, help="Background: below this multiple of it.")
    ] = 1.0,
) -> None:
    """Write the pseudo-masks of one shard's training images."""
    from isic.method.masks import write_masks
    from isic.storage.hdf5 import open_hdf5, strings
    from isic.storage.layouts import DIRECTIONS, FEATURES

    if background > foreground:
        raise InputError(
            f"masks.background ({background}) is above masks.foreground ({foreground}): swap them."
        )
    with open_hdf5(features, FEATURES) as maps, open_hdf5(directions, DIRECTIONS) as found:
        image_ids = strings(maps["image_id"])
        shares = write_masks(
            output, maps, found, size, made_of(), foreground=foreground, background=background
        )
    print(
        f"{len(shares)} masks, object on {shares.mean():.1%} of the pixels on average; "
        f"{(shares == 0).sum()} empty, {(shares > 0.95).sum()} over the whole image"
    )
    if empty := [name for name, share in zip(image_ids, shares, strict=True) if share == 0]:
        print(f"warning: the pseudo-masks of {_some(empty)} are empty: they teach nothing.")


def _some(names: list[str]) -> str:
    """How many images, and which, in a few words."""
    return f"{len(names)} images ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
