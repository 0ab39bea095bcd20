"""isic segmenter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from isic.commands.arguments import Curves, ImagesFile, Index, Output, TrainingRun, WeightsFile
from isic.commands.options import File
from isic.errors import InputError
from isic.settings.sections import Segmenter


def segmenter(
    index: Index,
    images: ImagesFile,
    output: Output,
    curves: Curves,
    settings: Segmenter,
    run: TrainingRun,
    *,
    masks: Annotated[list[Path], File("A shard of pseudo-masks; repeat for each.")],
    weights: WeightsFile = None,
) -> None:
    """Train the class-agnostic segmenter on the pseudo-masks (Section 3.6)."""
    import numpy as np
    import torch

    from isic.commands.trainings import scale_offsets, train_and_save
    from isic.data.index import read_index, trained
    from isic.data.pack import load_images
    from isic.method.masks import nonempty, read_masks
    from isic.method.segmenter import train_segmenter
    from isic.networks.fusion import FusionNetwork

    table = read_index(index)
    train = trained(table)
    image_ids = table["image_id"].to_numpy()[train].tolist()
    pixels = load_images(images, table, train)
    stored = read_masks(masks, image_ids)
    targets = stored[:] if isinstance(pixels, np.ndarray) else stored
    if not nonempty(masks):
        raise InputError(
            f"{masks[0]}: no pseudo-mask of any shard marks an object. Lower masks.foreground, or "
            "train the classifier longer: look at check.html."
        )
    torch.manual_seed(run.seed)
    shape: dict[str, Any] = {
        "backbone": settings.backbone,
        "channels": settings.channels,
        "outputs": 1,
    }
    network = FusionNetwork(weights=weights, **shape)
    network.offsets = scale_offsets(network, run.crop)
    train_and_save(
        "segmenter",
        network,
        {"kind": "fusion", **shape, "offsets": network.offsets},
        lambda job: train_segmenter(network, pixels, targets, settings, job),
        run,
        image_ids,
        output,
        curves,
    )
