"""isic weights."""

from __future__ import annotations

from typing import Annotated

import typer

from isic.commands.arguments import Output


def weights(
    name: Annotated[str, typer.Argument(help="For example ResNet50_Weights.IMAGENET1K_V1.")],
    output: Output,
) -> None:
    """Download ImageNet weights by torchvision's name and check them."""
    from isic.data.sources.download import weights as download

    download(name, output)
