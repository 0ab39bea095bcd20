"""The index and the truth of a data set of any layout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from isic.data.sources.cub import cub_index, cub_truth
from isic.data.sources.folder import folder_index, folder_truth
from isic.data.sources.imagenet import imagenet_index, imagenet_truth
from isic.data.sources.pets import pets_index, pets_truth

INDEX = {
    "folder": folder_index,
    "cub": cub_index,
    "imagenet": imagenet_index,
    "pets": pets_index,
}
TRUTH = {
    "folder": folder_truth,
    "cub": cub_truth,
    "imagenet": imagenet_truth,
    "pets": pets_truth,
}


def index_of(
    layout: str, root: Path, unreadable: str, workers: int
) -> tuple[pd.DataFrame, list[str]]:
    """The index, and ids of the images left out; boxes are not looked at."""
    return INDEX[layout](root, unreadable, workers)


def truth_of(layout: str, root: Path, index: pd.DataFrame, workers: int) -> pd.DataFrame:
    """The true boxes of the index's images."""
    return TRUTH[layout](root, index, workers)
