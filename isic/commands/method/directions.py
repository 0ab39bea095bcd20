"""isic directions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.arguments import Output
from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.settings.sections import Directions


def directions(
    features: Annotated[Path, File("One shard of feature maps.")],
    output: Output,
    settings: Directions,
) -> None:
    """The projection direction of each class: rank-1 NMF (Section 3.5)."""
    import numpy as np

    from isic.method.nmf import class_direction
    from isic.storage.hdf5 import new_hdf5, open_hdf5
    from isic.storage.layouts import FEATURES

    with open_hdf5(features, FEATURES) as file:
        labels = file["label"][:]
        found = np.unique(labels)
        vectors = [
            class_direction(
                file["features"], np.flatnonzero(labels == c), settings.solver, settings.compress
            )
            for c in found
        ]
    dead = [int(c) for c, v in zip(found, vectors, strict=True) if not v.any()]
    if dead:
        print(f"warning: the feature maps of classes {dead} are zero everywhere: they get no mask.")
    attributes = {"compress": settings.compress, "axes": "class, channel"}
    with new_hdf5(output, {**command_provenance(), **attributes}) as file:
        file["label"] = found
        file["direction"] = np.stack(vectors)
