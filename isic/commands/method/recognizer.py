"""isic recognizer."""

from __future__ import annotations

from isic.commands.arguments import Curves, ImagesFile, Index, Output, TrainingRun, WeightsFile
from isic.errors import InputError
from isic.settings.sections import Plain


def recognizer(
    index: Index,
    images: ImagesFile,
    output: Output,
    curves: Curves,
    settings: Plain,
    run: TrainingRun,
    weights: WeightsFile = None,
) -> None:
    """Train a plain classification network: it names classes, and gives the usual CAM."""
    import pandas as pd
    import torch

    from isic.commands.running import command_provenance
    from isic.commands.trainings import scale_offsets, train_and_save
    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.method.recognizer import train_recognizer
    from isic.networks.files import save_network
    from isic.networks.fusion import PlainNetwork
    from isic.storage.tables import write_csv

    table = read_index(index)
    train = trained(table)
    torch.manual_seed(run.seed)
    backbone, outputs, dropout = settings.backbone, len(classes(table)), settings.dropout
    network = PlainNetwork(backbone, weights, outputs=outputs, dropout=dropout)
    header = {"kind": "plain", "backbone": backbone, "outputs": outputs, "dropout": dropout}
    if settings.epochs == 0:  # `images` may hold no training image
        if weights is None:
            raise InputError("recognizer: --epochs 0 needs --weights, whose classes it takes.")
        network.adopt_head(weights)
        write_csv(pd.DataFrame(columns=["epoch", "loss", "accuracy"]), curves)
        save_network(output, network, header, command_provenance())
        return
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    network.offsets = scale_offsets(network, run.crop)
    train_and_save(
        "recognizer",
        network,
        {**header, "offsets": network.offsets},
        lambda job: train_recognizer(network, pixels, labels, settings, job),
        run,
        table["image_id"].to_numpy()[train].tolist(),
        output,
        curves,
    )
