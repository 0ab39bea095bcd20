"""Whether the images, or the true masks, of a data set may have changed.

Apart from `listing`, which is part of the trainings' digests: what is new here reruns none of them.
Needs no numpy: the Snakefile asks at every start.
"""

from __future__ import annotations

from pathlib import Path

from isic.data.sources.listing import SPLITS, _below, _digest, cub_base, index_state

MASKS = "masks"  # of a user's data set: masks/SPLIT/CLASS/NAME.png
CUB_MASKS = "segmentations"


def has_masks(root: Path) -> bool:
    """Whether a user's data set has true masks. A folder of another make may be a class."""
    return any((root / MASKS / split).is_dir() for split in SPLITS)


def cub_masks_folder(root: Path) -> Path:
    """Where segmentations.tgz is unpacked: beside the images, or beside CUB_200_2011."""
    folders = [base / CUB_MASKS for base in (cub_base(root), root)]
    return next((folder for folder in folders if folder.is_dir()), folders[-1])


def images_state(layout: str, root: Path) -> str:
    """`index_state`, but that masks are none of a data set's images."""
    if layout == "openimages":  # whose masks lie beside the images
        return _digest(line for line in _below(root, Path()) if not line[0].endswith(".png"))
    if layout != "folder" or not has_masks(root):
        return index_state(layout, root)
    lines = (line for line in _below(root, Path()) if not line[0].startswith(f"{MASKS}/"))
    return _digest(line for line in lines if "/" in line[0])


def masks_state(layout: str, root: Path) -> str:
    """A digest that differs when the true masks may have changed; pets' are in `truth_state`."""
    if layout == "cub":
        return _digest(_below(root, cub_masks_folder(root).relative_to(root)))
    if layout == "openimages":
        return _digest(line for line in _below(root, Path()) if line[0].endswith(".png"))
    if layout == "folder" and has_masks(root):
        return _digest(_below(root, Path(MASKS)))
    return ""
