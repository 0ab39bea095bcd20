"""isic boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Index


def boxes(
    index: Index,
    maps: Annotated[Path, typer.Argument(help="maps.h5.")],
    output: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: boxes from whole images.")
    ],
    crop_output: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: boxes from centre crops.")
    ],
    threshold: Annotated[
        float, typer.Option(min=0, help="Cut, in the unit of the maps: `isic maps --help`.")
    ] = 0.5,
) -> None:
    """Boxes of the test images: cut, largest component, its bounding box."""
    from isic.data.index import evaluated, read_index
    from isic.localization.boxes import extract
    from isic.storage.tables import write_csv

    images = read_index(index)
    ids = images["image_id"].iloc[evaluated(images)]
    for table, path in zip(extract(images, maps, threshold), (output, crop_output), strict=True):
        write_csv(table, path)
        print(f"{path.name}: {len(table)} boxes")
        if missing := ids[~ids.isin(table["image_id"])].tolist():
            print(f"warning: {path.name}: no box in {_some(missing)}: nothing is above the cut.")


def _some(names: list[str]) -> str:
    """How many images, and which, in a few words."""
    return f"{len(names)} images ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
