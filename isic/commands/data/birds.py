"""isic birds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.settings.sections import Birds


def birds(
    output: Annotated[Path, File("Folder to write.", writes=True)],
    settings: Birds,
) -> None:
    """Draw the data set birds: class folders, boxes.csv, masks."""
    from isic.data.sources.birds.generate import generate

    generate(output, **dataclasses.asdict(settings))
