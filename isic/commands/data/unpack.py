"""isic unpack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.options import File


def unpack(
    archive: Annotated[Path, File("tar or zip archive.")],
    output: Annotated[Path, File("Folder to write.", writes=True)],
) -> None:
    """Unpack an archive into a new folder, whole or not at all."""
    from isic.data.sources.download import unpack

    unpack(archive, output)
