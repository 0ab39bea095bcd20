"""isic unpack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def unpack(
    archive: Annotated[Path, typer.Argument(help="tar or zip archive.")],
    output: Annotated[Path, typer.Argument(writable=True, help="Folder to write.")],
) -> None:
    """Unpack an archive into a new folder, whole or not at all."""
    from isic.data.sources.download import unpack as extract

    extract(archive, output)
