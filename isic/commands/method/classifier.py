"""isic classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from isic.commands.arguments import Curves, ImagesFile, Index, Output, TrainingRun, WeightsFile
from isic.commands.options import File
from isic.errors import InputError
from isic.settings.sections import Classifier


def classifier(
    index: Index,
    images: ImagesFile,
    output: Output,
    curves: Curves,
    settings: Classifier,
    run: TrainingRun,
    similarity: Annotated[
        Path | None, File("similarity.h5; λ > 0 and --batches similar need it.")
    ] = None,
    weights: WeightsFile = None,
) -> None:
    """Train the classifier with L_CE + λ·L_ICFS (Section 3.4)."""
    import torch

    from isic.commands.trainings import scale_offsets, train_and_save
    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.method.classifier import train_classifier
    from isic.method.similarity import read_similarity, similar_classes
    from isic.networks.fusion import FusionNetwork

    table = read_index(index)
    names = classes(table)
    by_similarity = settings.batches == "similar"
    similar = matrix = None
    if similarity is None and (settings.lam > 0 or by_similarity):
        what = "λ > 0" if settings.lam > 0 else "--batches similar"
        raise InputError(f"{what} needs --similarity: the file that isic similarity writes.")
    if similarity is not None:
        matrix, known = read_similarity(similarity)
        if known != names:
            raise InputError(f"{similarity}: its classes are not the index's. Make it again.")
        similar = similar_classes(matrix, settings.gamma)
        if settings.lam > 0 and not similar.any():
            print(
                f"warning: no two classes are similar at γ = {settings.gamma}: ICFS has nothing "
                "to compare and is 0. Lower gamma, or expect what λ = 0 gives."
            )
    train = trained(table)
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    torch.manual_seed(run.seed)
    shape: dict[str, Any] = {
        "backbone": settings.backbone,
        "channels": settings.channels,
        "outputs": len(names),
        "dropout": settings.dropout,
    }
    network = FusionNetwork(weights=weights, **shape)
    network.offsets = scale_offsets(network, run.crop)
    near = matrix if by_similarity else None
    train_and_save(
        "classifier",
        network,
        {"kind": "fusion", **shape, "offsets": network.offsets},
        lambda job: train_classifier(network, pixels, labels, similar, settings, job, near),
        run,
        table["image_id"].to_numpy()[train].tolist(),
        output,
        curves,
    )
