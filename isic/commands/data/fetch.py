"""isic fetch."""

from __future__ import annotations

from typing import Annotated

import typer

from isic.commands.arguments import Output


def fetch(
    url: Annotated[str, typer.Argument(help="Address of the file.")],
    output: Output,
    checksum: Annotated[str, typer.Option(help="sha256:HEX or md5:HEX.")],
) -> None:
    """Download a file and check it."""
    from isic.data.sources.download import fetch as download

    download(url, output, checksum)
