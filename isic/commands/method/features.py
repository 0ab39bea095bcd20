"""isic features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Crop, Images, Index, Output, Precision
from isic.commands.running import made_of
from isic.errors import InputError


def features(
    index: Index,
    images: Images,
    classifier: Annotated[Path, typer.Argument(help="classifier.safetensors.")],
    output: Output,
    shard: Annotated[int, typer.Option(min=0, help="Which shard of classes.")] = 0,
    shards: Annotated[int, typer.Option(min=1, help="Shards in all.")] = 1,
    crop: Crop = 224,
    precision: Precision = "float32",
) -> None:
    """Write the fused feature maps of one shard's training images."""
    import numpy as np

    from isic.data.index import class_ids, classes, read_index
    from isic.data.pack import load_images
    from isic.data.shards import shard as part
    from isic.method.features import fused_maps, write_features
    from isic.networks.files import load_network

    table = read_index(index)
    names, labels = classes(table), class_ids(table)
    chosen = np.isin(labels, part(len(names), shard, shards))
    chosen &= (table["split"] == "train").to_numpy()
    if not chosen.any():
        raise InputError(
            f"features.shards: {shards} shards for {len(names)} classes; lower it to {len(names)}."
        )
    network, _ = load_network(classifier, outputs=len(names), fused=True)
    pixels = load_images(images, table, chosen)
    image_ids = table["image_id"].to_numpy()[chosen]
    maps = fused_maps(network, pixels, crop, precision)
    dead = write_features(output, maps, image_ids, labels[chosen], made_of())
    if dead:
        print(f"warning: the feature maps of {_some(dead)} are zero everywhere: no mask for them.")
    for number in np.unique(labels[chosen]):
        own = image_ids[labels[chosen] == number]
        if set(own) <= set(dead):
            print(
                f"warning: the feature maps of class {names[number]} are zero everywhere, in all "
                f"{len(own)} images: train the classifier longer, or with a lower lam."
            )


def _some(names: list[str]) -> str:
    """How many images, and which, in a few words."""
    return f"{len(names)} images ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
