"""isic segmenter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import (
    Backbone,
    BackboneRate,
    BatchSize,
    Channels,
    Crop,
    Curves,
    Deterministic,
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


def segmenter(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    masks: Annotated[list[Path], typer.Option(help="A shard of pseudo-masks; repeat for each.")],
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    channels: Channels = 128,
    crop: Crop = 224,
    epochs: Epochs = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    batch_size: BatchSize = 64,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train the class-agnostic segmenter on the pseudo-masks (Section 3.6)."""
    import numpy as np
    import torch

    from isic.data.index import read_index, trained
    from isic.data.pack import load_images
    from isic.method.masks import nonempty, read_masks
    from isic.method.segmenter import train_segmenter
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
    train = trained(table)
    pixels = load_images(images, table, train)
    targets = read_masks(masks, table["image_id"].to_numpy()[train])
    targets = targets[:] if isinstance(pixels, np.ndarray) else targets
    if not nonempty(masks):
        raise InputError(
            f"{masks[0]}: no pseudo-mask of any shard marks an object. Lower masks.foreground, or "
            "train the classifier longer: look at check.html."
        )
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "channels": channels, "outputs": 1}
    network = FusionNetwork(weights=weights, **shape)
    with (
        reproducible(deterministic),
        process_group(),
        event_log(tensorboard if rank() == 0 else None, "segmenter") as log,
    ):
        history = train_segmenter(
            network,
            pixels,
            targets,
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
    save_network(output, network, {"kind": "fusion", **shape}, made_of())
    checkpoint.remove()
