"""isic recognizer."""

from __future__ import annotations

from typing import Annotated

import typer

from isic.commands.arguments import (
    Backbone,
    BackboneRate,
    BatchSize,
    Crop,
    Curves,
    Deterministic,
    Dropout,
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


def recognizer(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    crop: Crop = 224,
    epochs: Annotated[
        int, typer.Option(min=0, help="Passes over the training images; 0: the weights' own head.")
    ] = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    dropout: Dropout = 0.5,
    batch_size: BatchSize = 64,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train a plain classification network: it names classes, and gives the usual CAM."""
    import pandas as pd
    import torch

    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.method.recognizer import train_recognizer
    from isic.networks.files import save_network
    from isic.networks.fusion import PlainNetwork
    from isic.process import rank
    from isic.storage.tables import write_csv
    from isic.training.checkpoint import Checkpoint
    from isic.training.curves import event_log
    from isic.training.devices import reproducible
    from isic.training.process_group import process_group

    checkpoint = Checkpoint(output, made_of())
    table = read_index(index)
    train = trained(table)
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "outputs": len(classes(table)), "dropout": dropout}
    network = PlainNetwork(weights=weights, **shape)
    if epochs == 0:  # `images` may hold no training image
        if weights is None:
            raise InputError("recognizer: --epochs 0 needs --weights, whose classes it takes.")
        network.adopt_head(weights)
        write_csv(pd.DataFrame(columns=["epoch", "loss", "accuracy"]), curves)
        save_network(output, network, {"kind": "plain", **shape}, made_of())
        return
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    with (
        reproducible(deterministic),
        process_group(),
        event_log(tensorboard if rank() == 0 else None, "recognizer") as log,
    ):
        history = train_recognizer(
            network,
            pixels,
            labels,
            crop=crop,
            epochs=epochs,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            precision=precision,
            seed=seed,
            log=log,
            checkpoint=checkpoint,
            image_ids=table["image_id"].to_numpy()[train],
        )
    if rank() > 0:
        return
    write_csv(history, curves)
    save_network(output, network, {"kind": "plain", **shape}, made_of())
    checkpoint.remove()
