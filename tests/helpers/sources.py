"""Folders of source images, and what refuses them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isic.data.sources.folder import index_folder
from isic.errors import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"


def picture(path: Path, width: int = 12, height: int = 8, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path, **options)


def refused(root: Path, *words: str, index=index_folder, **options) -> None:
    """The set is refused with one line that holds all `words`."""
    with pytest.raises(InputError) as caught:
        index(root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def needs(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not folder.is_dir(), reason=f"{folder.name} is not at {folder}")
