"""isic features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output, Shard, Shards
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError, some
from isic.settings.kinds import Crop, Mirrored, Precision
from isic.settings.sections import Classifier, Features, Images


def features(
    index: Index,
    images: ImagesFile,
    classifier: Annotated[Path, File("classifier.safetensors.")],
    output: Output,
    shard: Shard = 0,
    shards: Shards = 1,
    crop: Crop = Images.crop,
    mirrored: Mirrored = Features.mirrored,
    precision: Precision = Classifier.precision,
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
    maps = fused_maps(network, pixels, crop, mirrored, precision)
    dead = write_features(output, maps, image_ids, labels[chosen], command_provenance())
    if dead:
        print(f"warning: the feature maps of {some(dead)} are zero everywhere: no mask for them.")
    for number in np.unique(labels[chosen]):
        own = image_ids[labels[chosen] == number]
        if set(own) <= set(dead):
            print(
                f"warning: the feature maps of class {names[number]} are zero everywhere, in all "
                f"{len(own)} images: train the classifier longer, or with a lower lam."
            )
