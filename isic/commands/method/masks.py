"""isic masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError, some
from isic.settings.sections import Masks


def masks(
    index: Index,
    images: ImagesFile,
    features: Annotated[Path, File("One shard of feature maps.")],
    directions: Annotated[Path, File("The shard's directions.")],
    output: Output,
    settings: Masks,
) -> None:
    """Write the pseudo-masks of one shard's training images."""
    import numpy as np
    import pandas as pd

    from isic.data.index import read_index
    from isic.data.pack import load_images
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
        table = read_index(index)
        place = pd.Index(table["image_id"]).get_indexer(image_ids)
        if (place < 0).any() or (np.diff(place) < 0).any():
            raise InputError(f"{features}: its images are not those of {index}: make it again.")
        chosen = np.isin(np.arange(len(table)), place)
        pixels = load_images(images, table, chosen)
        shares = write_masks(output, pixels, maps, found, settings, command_provenance())
    print(
        f"{len(shares)} masks, object on {shares.mean():.1%} of the pixels on average; "
        f"{(shares == 0).sum()} empty, {(shares > 0.95).sum()} over the whole image"
    )
    if empty := [name for name, share in zip(image_ids, shares, strict=True) if share == 0]:
        print(f"warning: the pseudo-masks of {some(empty)} are empty: they teach nothing.")
