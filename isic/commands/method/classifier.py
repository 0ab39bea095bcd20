"""isic classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import (
    Backbone,
    BackboneRate,
    Channels,
    Crop,
    Curves,
    Deterministic,
    Dropout,
    Epochs,
    Images,
    Index,
    LearningRate,
    Momentum,
    Output,
    Precision,
    Seed,
    TensorBoard,
    WeightDecay,
    Weights,
)
from isic.commands.running import made_of
from isic.errors import InputError


def classifier(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    similarity: Annotated[
        Path | None, typer.Option(help="similarity.h5; λ > 0 and --batches similar need it.")
    ] = None,
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    channels: Channels = 128,
    lam: Annotated[float, typer.Option(min=0, help="λ of Eq. 6.")] = 1.0,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
    batches: Annotated[
        str, typer.Option(help="Classes of a batch: similar (near each other in S) or random.")
    ] = "similar",
    crop: Crop = 224,
    epochs: Epochs = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    dropout: Dropout = 0.5,
    classes_per_batch: Annotated[int, typer.Option(min=1, help="P, classes a batch.")] = 16,
    images_per_class: Annotated[int, typer.Option(min=1, help="K, images a class.")] = 4,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train the classifier with L_CE + λ·L_ICFS (Section 3.4)."""
    import torch

    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.method.classifier import train_classifier
    from isic.method.similarity import read_similarity, similar_classes
    from isic.networks.files import save_network
    from isic.networks.fusion import FusionNetwork
    from isic.process import rank
    from isic.storage.tables import write_csv
    from isic.training.checkpoint import Checkpoint
    from isic.training.curves import event_log
    from isic.training.devices import reproducible
    from isic.training.process_group import process_group

    checkpoint = Checkpoint(output, made_of())
    table = read_index(index)
    names = classes(table)
    similar = matrix = None
    if batches not in ("similar", "random"):
        raise InputError(f"--batches {batches}: must be similar or random.")
    if similarity is None and (lam > 0 or batches == "similar"):
        what = "λ > 0" if lam > 0 else "--batches similar"
        raise InputError(f"{what} needs --similarity: the file that isic similarity writes.")
    if similarity is not None:
        matrix, known = read_similarity(similarity)
        if known != names:
            raise InputError(f"{similarity}: its classes are not the index's. Make it again.")
        similar = similar_classes(matrix, gamma)
        if lam > 0 and not similar.any():
            print(
                f"warning: no two classes are similar at γ = {gamma}: ICFS has nothing to compare "
                "and is 0. Lower gamma, or expect what λ = 0 gives."
            )
    train = trained(table)
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "channels": channels, "outputs": len(names), "dropout": dropout}
    network = FusionNetwork(weights=weights, **shape)
    with (
        reproducible(deterministic),
        process_group(),
        event_log(tensorboard if rank() == 0 else None, "classifier") as log,
    ):
        history = train_classifier(
            network,
            pixels,
            labels,
            similar,
            lam=lam,
            near=matrix if batches == "similar" else None,
            classes_per_batch=classes_per_batch,
            images_per_class=images_per_class,
            crop=crop,
            epochs=epochs,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            precision=precision,
            seed=seed,
            log=log,
            checkpoint=checkpoint,
            image_ids=table["image_id"].to_numpy()[train],
        )
    if rank() > 0:
        return
    write_csv(history, curves)
    save_network(output, network, {"kind": "fusion", **shape}, made_of())
    checkpoint.remove()
