"""isic boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Index
from isic.commands.options import File
from isic.errors import some
from isic.settings.declare import Setting


def boxes(
    index: Index,
    maps: Annotated[Path, File("maps.h5.")],
    output: Annotated[Path, File("CSV to write: boxes from whole images.", writes=True)],
    crop_output: Annotated[Path, File("CSV to write: boxes from centre crops.", writes=True)],
    threshold: Annotated[
        float, Setting("in the unit of the maps, see isic maps --help; config.yaml: boxes", least=0)
    ],
) -> None:
    """Boxes of the test images: threshold, largest component, its bounding box."""
    from isic.data.index import evaluated, read_index
    from isic.localization.boxes import extract
    from isic.storage.tables import write_csv

    images = read_index(index)
    ids = images["image_id"].iloc[evaluated(images)]
    for table, path in zip(extract(images, maps, threshold), (output, crop_output), strict=True):
        write_csv(table, path)
        print(f"{path.name}: {len(table)} boxes")
        if missing := ids[~ids.isin(table["image_id"])].tolist():
            print(
                f"warning: {path.name}: no box in {some(missing)}: nothing is above the threshold."
            )
