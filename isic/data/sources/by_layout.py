"""The index, the true boxes and the true masks of a data set of any layout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from isic.data.sources.cub import cub_index, cub_masks, cub_truth
from isic.data.sources.folder import folder_index, folder_masks, folder_truth
from isic.data.sources.imagenet import imagenet_index, imagenet_truth
from isic.data.sources.openimages import openimages_index, openimages_masks
from isic.data.sources.pets import pets_index, pets_masks
from isic.data.true_masks import NO_MASKS

INDEX = {
    "folder": folder_index,
    "cub": cub_index,
    "imagenet": imagenet_index,
    "pets": pets_index,
    "openimages": openimages_index,
}
BOXES = {"folder": folder_truth, "cub": cub_truth, "imagenet": imagenet_truth}
MASKS = {
    "folder": folder_masks,
    "cub": cub_masks,
    "pets": pets_masks,
    "openimages": openimages_masks,
}


def index_of(
    layout: str, root: Path, unreadable: str, workers: int
) -> tuple[pd.DataFrame, list[str]]:
    """The index, and ids of the images left out; boxes are not looked at."""
    return INDEX[layout](root, unreadable, workers)


def truth_of(
    layout: str, root: Path, index: pd.DataFrame, workers: int
) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """The true boxes of the index's images, and their true masks as PNG, by image. Where no boxes
    are given, they are those of the masks."""
    boxes = BOXES[layout](root, index, workers) if layout in BOXES else NO_MASKS.boxes
    masks = MASKS[layout](root, index, workers) if layout in MASKS else NO_MASKS
    return boxes if len(boxes) else masks.boxes, masks.png
