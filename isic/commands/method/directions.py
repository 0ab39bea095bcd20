"""isic directions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output
from isic.commands.running import made_of


def directions(
    features: Annotated[Path, typer.Argument(help="One shard of feature maps.")],
    output: Output,
    solver: Annotated[str, typer.Option(help="gram (exact) or sklearn (iterative).")] = "gram",
    compress: Annotated[
        float, typer.Option(min=0.01, max=1, help="Exponent on the feature maps.")
    ] = 1.0,
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
            class_direction(file["features"], np.flatnonzero(labels == c), solver, compress)
            for c in found
        ]
    dead = [int(c) for c, v in zip(found, vectors, strict=True) if not v.any()]
    if dead:
        print(f"warning: the feature maps of classes {dead} are zero everywhere: they get no mask.")
    with new_hdf5(output, {**made_of(), "compress": compress, "axes": "class, channel"}) as file:
        file["label"] = found
        file["direction"] = np.stack(vectors)
