"""isic similarity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import ImagesFile, Index, Output, WeightsFile
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError
from isic.settings.kinds import Backbone, Crop
from isic.settings.sections import Images, Network, Similarity


def similarity(
    index: Index,
    images: ImagesFile,
    output: Output,
    settings: Similarity,
    crop: Crop = Images.crop,
    backbone: Backbone = Network.backbone,
    weights: WeightsFile = None,
    classifier: Annotated[
        Path | None,
        File("A classifier trained with λ = 0; instead of --backbone, --weights."),
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
    means = class_vectors(batches, class_ids(table)[train], len(names), settings.dimensions)
    matrix = similarity_matrix(means)
    attributes = {**command_provenance(), "units": "cosine", "axes": "class i, class j"}
    with new_hdf5(output, attributes) as file:
        file["similarity"] = matrix
        file["class_vectors"] = means
        file["class"] = np.array(names, dtype=object)
    for gamma in (0.1, 0.2, 0.3, 0.4, 0.5):
        others = (matrix > gamma).sum(1).mean() - 1
        print(f"γ = {gamma}: {others:.1f} other classes are similar on average")
