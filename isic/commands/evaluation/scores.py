"""isic scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import (
    Backbone,
    Crop,
    Index,
    Output,
    Protocols,
    Resize,
    Seed,
    TopK,
    Truth,
)


def scores(
    index: Index,
    truth: Truth,
    boxes: Annotated[Path, typer.Argument(help="boxes.csv.")],
    crop_boxes: Annotated[Path, typer.Argument(help="crop_boxes.csv.")],
    topk: TopK,
    maps: Annotated[Path, typer.Argument(help="maps.h5, for the oracle MaxBoxAcc.")],
    output: Output,
    model: Annotated[str, typer.Option(help="The model's name in the tables.")],
    backbone: Backbone,
    threshold_rule: Annotated[str, typer.Option(help="How the cut was chosen, in words.")],
    seed: Seed = 0,
    lam: Annotated[float | None, typer.Option(help="λ of the network's training.")] = None,
    gamma: Annotated[float | None, typer.Option(help="γ of the network's training.")] = None,
    protocols: Protocols = "crop,resize,original",
    resize: Resize = 256,
    crop: Crop = 224,
) -> None:
    """Score one run's boxes under the named protocols."""
    from isic.data.index import read_index, read_truth
    from isic.evaluation.scores import read_topk, score
    from isic.localization.boxes import read_boxes
    from isic.storage.tables import write_json

    result = score(
        read_index(index),
        read_truth(truth),
        read_boxes(boxes),
        read_boxes(crop_boxes),
        read_topk(topk),
        maps=maps,
        model=model,
        backbone=backbone,
        threshold=threshold_rule,
        seed=seed,
        lam=lam,
        gamma=gamma,
        protocols=protocols.split(","),
        resize=resize,
        crop=crop,
    )
    write_json(result, output)
