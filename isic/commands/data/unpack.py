"""isic unpack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.settings.declare import Setting


def unpack(
    archives: Annotated[list[Path], File("tar or zip archives.")],
    output: Annotated[Path, File("Folder to write.", writes=True)],
    *,
    checksum: Annotated[
        tuple[str, ...] | None, Setting("of each archive, in order: sha256:HEX or md5:HEX")
    ] = None,
) -> None:
    """Unpack archives into one new folder, whole or not at all."""
    from isic.data.sources.download import check_archives, unpack

    check_archives(archives, checksum or ())
    unpack(archives, output)
