"""isic fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.errors import InputError
from isic.settings.declare import Setting
from isic.settings.kinds import named_weights


def fetch(
    source: Annotated[
        str,
        Setting(
            "Address of the file, or the name of weights: torchvision's, NAME_Weights.VERSION, or "
            "timm's, timm/NAME.TAG."
        ),
    ],
    output: Annotated[Path, File("File to write.", writes=True)],
    checksum: Annotated[
        str | None, Setting("sha256:HEX or md5:HEX; weights have their own")
    ] = None,
) -> None:
    """Download a file, or ImageNet weights, and check it; a file that is there is only checked."""
    from isic.data.sources import download, weights

    if named_weights(source):
        weights.weights(source, output)
    elif checksum is None:
        raise InputError(f"{source}: give its --checksum, sha256:HEX or md5:HEX.")
    else:
        download.fetch(source, output, checksum)
