"""isic model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Crop, Index, Output, Precision, Resize
from isic.commands.running import made_of


def model(
    index: Index,
    segmenter: Annotated[Path, typer.Argument(help="segmenter.safetensors.")],
    output: Output,
    recognizer: Annotated[
        Path | None, typer.Option(help="Network that names the class: recognizer or classifier.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="An object is above this, of the sigmoid.")
    ] = 0.8,
    resize: Resize = 256,
    crop: Crop = 224,
    precision: Precision = "float32",
    recognizer_resize: Annotated[int, typer.Option(min=32, help="Pixels.")] = 256,
    recognizer_crop: Annotated[int, typer.Option(min=32, help="Pixels.")] = 224,
    recognizer_precision: Precision = "float32",
) -> None:
    """Put all that `isic predict` needs into one file."""
    from isic.data.index import classes, read_index
    from isic.networks.files import save_model

    settings = {"threshold": threshold, "resize": resize, "crop": crop, "precision": precision}
    settings["recognizer"] = {
        "resize": recognizer_resize,
        "crop": recognizer_crop,
        "precision": recognizer_precision,
    }
    made = made_of()
    made.pop("settings")  # they stand in the model by themselves
    save_model(output, segmenter, recognizer, settings, classes(read_index(index)), made)
