"""isic model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Index, Output
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.settings.kinds import Crop, Precision, Resize, Sigmoid
from isic.settings.sections import Boxes, Images, Recognizer, Segmenter


def model(
    index: Index,
    segmenter: Annotated[Path, File("segmenter.safetensors.")],
    output: Output,
    recognizer: Annotated[
        Path | None, File("Network that names the class: recognizer or classifier.")
    ] = None,
    threshold: Sigmoid = Boxes.segmenter,
    resize: Resize = Images.resize,
    crop: Crop = Images.crop,
    precision: Precision = Segmenter.precision,
    recognizer_resize: Resize = Recognizer.resize,
    recognizer_crop: Crop = Recognizer.crop,
    recognizer_precision: Precision = Recognizer.precision,
) -> None:
    """Put all that `isic predict` needs into one file."""
    from isic.data.index import classes, read_index
    from isic.networks.files import save_model

    settings: dict[str, object] = {"threshold": threshold, "resize": resize, "crop": crop}
    settings["precision"] = precision
    settings["recognizer"] = {
        "resize": recognizer_resize,
        "crop": recognizer_crop,
        "precision": recognizer_precision,
    }
    made = command_provenance()
    made.pop("settings")  # they stand in the model by themselves
    save_model(output, segmenter, recognizer, settings, classes(read_index(index)), made)
