"""OpenImages30k as wsolevaluation splits it (Choe et al., CVPR 2020), as its archives unpack.

SPLIT/CLASS/ID.jpg with the splits train, val and test. Beside an image of val or test lie the masks
of its objects, ID_m….png, and ID_ignore.png: what is not counted, as far as no object is there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from isic.data.index import check_classes, check_unreadable, evaluated, measure_images
from isic.data.sources.listing import SPLITS, visible
from isic.data.true_masks import NOT_COUNTED, OBJECT, TrueMasks, collect_masks, read_grey
from isic.errors import InputError

FOLDER = "OpenImages"
IGNORE = "ignore"
REMEDY = "Unpack OpenImages_images.zip and OpenImages_annotations.zip there once more."


def openimages_index(root: Path, unreadable: str, workers: int) -> tuple[pd.DataFrame, list[str]]:
    """Index and skipped images; masks are not looked at, nor the images of val.

    Args:
        root: the folder that holds `train` and `test`, or in which a folder `OpenImages` does.

    Raises:
        InputError: see the messages; each names the file and the remedy.
    """
    check_unreadable(unreadable)
    base = next((b for b in (root, root / FOLDER) if all((b / s).is_dir() for s in SPLITS)), None)
    if base is None:
        raise InputError(
            f"{root}: has no folders train and test. Set root to the folder that the two archives "
            "of OpenImages30k were unpacked into."
        )
    rows = [
        (f"{folder.relative_to(root).as_posix()}/{image.name}", split, folder.name)
        for split in SPLITS
        for folder in (base / split / entry.name for entry in visible(base / split))
        for image in visible(folder)
        if image.name.endswith(".jpg")
    ]
    listing = pd.DataFrame(rows, columns=["image_id", "split", "class"])
    names = sorted(set(listing["class"]))
    check_classes(root, listing, names)
    index, skipped = measure_images(root, listing, unreadable, workers)
    check_classes(root, index, names)
    return index, skipped


def openimages_masks(root: Path, index: pd.DataFrame, workers: int) -> TrueMasks:
    """The true masks of the test images: of all objects of an image together.

    They are brought to the image's size, from which theirs may differ.
    """
    tested = index[evaluated(index)]
    sizes = dict(zip(tested["image_id"], zip(tested["width"], tested["height"], strict=True),
                     strict=True))  # fmt: skip
    parts: dict[str, list[Path]] = {}
    for folder in dict.fromkeys((root / image_id).parent for image_id in sizes):
        for entry in visible(folder):
            if entry.name.endswith(".png"):
                image, _, _ = entry.name.partition("_")
                parts.setdefault(str(folder / image), []).append(folder / entry.name)

    def read(image_id: str) -> np.ndarray | None:
        mask = np.zeros(sizes[image_id][::-1], np.uint8)
        files = parts.get(str((root / image_id).with_suffix("")), [])
        for path in sorted(files, key=lambda path: not path.stem.endswith(f"_{IGNORE}")):
            shown = Image.fromarray(read_grey(path))
            shown = shown.resize(sizes[image_id], Image.Resampling.NEAREST)
            # What is not counted comes first, and objects are written over it.
            value = NOT_COUNTED if path.stem.endswith(f"_{IGNORE}") else OBJECT
            mask[np.asarray(shown) > 0] = value
        return mask if files else None

    return collect_masks(root, tested, read, workers, border=False, remedy=REMEDY)
