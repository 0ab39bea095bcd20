"""isic similarity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Backbone, Crop, Images, Index, Output, Weights
from isic.commands.running import made_of
from isic.errors import InputError


def similarity(
    index: Index,
    images: Images,
    output: Output,
    dimensions: Annotated[int, typer.Option(min=1, help="Length of an image vector.")] = 128,
    crop: Crop = 224,
    backbone: Backbone = "resnet50",
    weights: Weights = None,
    classifier: Annotated[
        Path | None,
        typer.Option(help="A classifier trained with λ = 0; instead of --backbone, --weights."),
    ] = None,
) -> None:
    """The inter-class similarity matrix S (Section 3.3)."""
    import numpy as np

    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.method.similarity import class_vectors, similarity_matrix
    from isic.networks.backbones import Backbone as Network
    from isic.networks.files import load_network
    from isic.networks.fusion import image_vectors
    from isic.storage.hdf5 import new_hdf5
    from isic.training.devices import pick_device
    from isic.training.inference import infer

    if classifier is None and weights is None:
        raise InputError("similarity needs --weights (a pretrained backbone) or --classifier.")
    table = read_index(index)
    names, train = classes(table), trained(table)
    # f5 of a network that learnt other classes; of one that learnt to tell these apart, f3, the
    # only stage that still describes what they share (docs/results/similarity-source.md).
    if classifier is None:
        network, stage = Network(backbone, weights).eval(), 2
    else:
        fused, _ = load_network(classifier, outputs=len(names), fused=True)
        network, stage = fused.backbone, 0
    network.to(pick_device())
    batches = infer(
        load_images(images, table, train), lambda x, _: image_vectors(network(x)[stage]), crop=crop
    )
    means = class_vectors(batches, class_ids(table)[train], len(names), dimensions)
    matrix = similarity_matrix(means)
    with new_hdf5(output, {**made_of(), "units": "cosine", "axes": "class i, class j"}) as file:
        file["similarity"] = matrix
        file["class_vectors"] = means
        file["class"] = np.array(names, dtype=object)
    for gamma in (0.1, 0.2, 0.3, 0.4, 0.5):
        others = (matrix > gamma).sum(1).mean() - 1
        print(f"γ = {gamma}: {others:.1f} other classes are similar on average")
