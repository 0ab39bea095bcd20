"""From feature maps to a map: M = F·θ2ᵀ, with the direction of a class (Section 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isic.errors import InputError
from isic.storage.hdf5 import open_hdf5
from isic.storage.layouts import DIRECTIONS


def compressed(features: np.ndarray, compress: float) -> np.ndarray:
    """F^compress in float32. The fused map is a product of three scales and so heavy-tailed;
    1/3 makes it their geometric mean, 1 leaves it as the paper has it."""
    features = np.asarray(features, dtype=np.float32)
    return features if compress == 1 else np.power(features, np.float32(compress))


def project(features: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """M = F·θ2ᵀ: (…, h, w, N), (N,) → (…, h, w) float32, ≥ 0."""
    return features @ direction.astype(np.float32)


def read_directions(paths: Sequence[str | Path], classes: int) -> tuple[np.ndarray, float]:
    """The directions of all classes from their shards: (C, N) float64, and their `compress`.

    Raises:
        InputError: a class has no direction in any of the files, or the files' `compress` differ.
    """
    found: dict[int, np.ndarray] = {}
    compress: float | None = None
    for path in paths:
        with open_hdf5(path, DIRECTIONS) as file:
            found |= dict(zip(file["label"][:].tolist(), file["direction"][:], strict=True))
            own = float(file.attrs["compress"])
        if compress not in (None, own):
            raise InputError(
                f"{path}: was made with --compress {own:g}, and {paths[0]} with {compress:g}. "
                "Make the directions of all shards with the same."
            )
        compress = own
    missing = sorted(set(range(classes)) - set(found))
    if missing:
        raise InputError(
            f"directions of classes {missing[:10]} are missing: make those of each shard with "
            "`isic directions`, and where a command takes them, give each with --directions."
        )
    assert compress is not None  # there are classes, and so files
    return np.stack([found[c] for c in range(classes)]), compress
