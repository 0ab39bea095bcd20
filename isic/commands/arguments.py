"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Index = Annotated[Path, typer.Argument(help="index.csv: the images, their split and class.")]
Images = Annotated[Path, typer.Argument(help="images~R.h5: the decoded images.")]
Output = Annotated[Path, typer.Argument(writable=True, help="File to write.")]
Curves = Annotated[Path, typer.Argument(writable=True, help="CSV to write: losses by epoch.")]
Weights = Annotated[
    Path | None, typer.Option(help="torchvision state dict of the backbone; none: random weights.")
]
Backbone = Annotated[str, typer.Option(help="torchvision's name of the network.")]
Channels = Annotated[int, typer.Option(min=1, help="N, channels of the fused map.")]
Crop = Annotated[int, typer.Option(min=32, help="Side of the crop, pixels.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training images.")]
LearningRate = Annotated[float, typer.Option(min=0, help="Learning rate of new layers, constant.")]
BackboneRate = Annotated[float, typer.Option(min=0, help="Learning rate of the backbone.")]
Momentum = Annotated[float, typer.Option(min=0, max=1, help="SGD's momentum (Nesterov).")]
WeightDecay = Annotated[float, typer.Option(min=0, help="SGD's weight decay.")]
Dropout = Annotated[float, typer.Option(min=0, max=1, help="Dropout before the classifier.")]
BatchSize = Annotated[int, typer.Option(min=2, help="Images a batch.")]
Precision = Annotated[str, typer.Option(help="float32 or bf16.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Resize = Annotated[int, typer.Option(min=32, help="R: side of the resized image, pixels.")]
Tested = Annotated[bool, typer.Option("--tested", help="Only the images that get boxes.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--no-deterministic", help="Same weights on a GPU, too.")
]
TensorBoard = Annotated[
    Path | None, typer.Option(writable=True, help="Folder for TensorBoard; none: no file.")
]
Protocols = Annotated[str, typer.Option(help="Names from crop, resize, original, by commas.")]
Truth = Annotated[Path, typer.Argument(help="truth.csv: the true boxes.")]
TopK = Annotated[Path, typer.Argument(help="topk.csv: the recognizer's best classes.")]
