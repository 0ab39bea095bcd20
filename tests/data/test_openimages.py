"""OpenImages30k: the layout of its archives, from the download to boxes and masks."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from photos import picture
from PIL import Image

from isic.data.index import classes
from isic.data.sources.by_layout import index_of, truth_of
from isic.data.sources.download import fetch, unpack
from isic.data.sources.masked import images_state, masks_state
from isic.data.true_masks import decoded_mask
from isic.errors import InputError

W, H = 40, 30
ONE, OTHER, IGNORED = (2, 3, 12, 13), (20, 5, 30, 25), (8, 3, 25, 13)


def write_mask(path: Path, box: tuple[int, int, int, int], scale: int = 1) -> None:
    """A mask as the real ones: of two values, maybe of another size than the image."""
    x0, y0, x1, y1 = box
    mask = np.zeros((H, W), bool)
    mask[y0:y1, x0:x1] = True
    Image.fromarray(mask).resize((scale * W, scale * H), Image.Resampling.NEAREST).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "OpenImages"
    for number, name in enumerate(
        ("train/0a/1", "train/0b/2", "val/0a/3", "test/0a/4", "test/0b/5")
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(root / f"{name}.png", number, (W, H))
        with Image.open(root / f"{name}.png") as image:
            image.save(root / f"{name}.jpg")
        (root / f"{name}.png").unlink()
    write_mask(root / "test/0a/4_m0a_c3.png", ONE)
    write_mask(root / "test/0a/4_m0a_c4.png", OTHER, scale=2)
    write_mask(root / "test/0a/4_ignore.png", IGNORED)
    write_mask(root / "test/0b/5_m0b_c5.png", OTHER)
    return root


def test_from_the_archives(root: Path, tmp_path: Path, address: str) -> None:
    archives = []
    for kind, ending in (("images", ".jpg"), ("annotations", ".png")):
        served = tmp_path / "served" / f"OpenImages_{kind}.zip"
        with zipfile.ZipFile(served, "w") as file:
            for path in sorted(root.rglob(f"*{ending}")):
                file.write(path, path.relative_to(root))
        checksum = f"sha256:{hashlib.sha256(served.read_bytes()).hexdigest()}"
        archives.append(tmp_path / "data" / served.name)
        fetch(f"{address}/{served.name}", archives[-1], checksum)
    unpack(archives, tmp_path / "source")
    index, skipped = index_of("openimages", tmp_path / "source", "error", 1)
    assert index["image_id"].tolist() == [
        "train/0a/1.jpg", "train/0b/2.jpg", "test/0a/4.jpg", "test/0b/5.jpg"
    ]  # fmt: skip
    assert classes(index) == ["0a", "0b"]
    assert skipped == []
    boxes, png = truth_of("openimages", tmp_path / "source", index, 1)
    assert list(png) == ["test/0a/4.jpg", "test/0b/5.jpg"]
    assert boxes.iloc[:, 1:].to_numpy().tolist() == [[2, 3, 30, 25], [20, 5, 30, 25]]
    mask = np.zeros((H, W), np.uint8)
    mask[3:13, 8:25] = 255
    mask[3:13, 2:12] = mask[5:25, 20:30] = 1  # no object is left out
    assert (decoded_mask(png["test/0a/4.jpg"]) == mask).all()


def test_the_folder_may_hold_them_too(root: Path) -> None:
    index, _ = index_of("openimages", root.parent, "error", 1)
    assert index["image_id"][0] == "OpenImages/train/0a/1.jpg"
    assert len(truth_of("openimages", root.parent, index, 1)[1]) == 2
    with pytest.raises(InputError, match="no folders train and test"):
        index_of("openimages", root / "train", "error", 1)


def test_a_mask_changes_nothing_but_the_truth(root: Path) -> None:
    images, masks = images_state("openimages", root), masks_state("openimages", root)
    write_mask(root / "test/0b/5_ignore.png", ONE)
    assert images_state("openimages", root) == images
    assert masks_state("openimages", root) != masks
    (root / "test/0b/5.jpg").rename(root / "test/0b/6.jpg")
    assert images_state("openimages", root) != images


def test_a_damaged_mask_and_a_class_without_training_images(root: Path) -> None:
    index, _ = index_of("openimages", root, "error", 1)
    (root / "test/0b/5_m0b_c5.png").write_bytes(b"text")
    with pytest.raises(InputError, match=r"no PNG that can be read \(test/0b/5\.jpg\)\. Unpack"):
        truth_of("openimages", root, index, 1)
    (root / "train/0b/2.jpg").unlink()
    with pytest.raises(InputError, match="class '0b' has no training image"):
        index_of("openimages", root, "error", 1)
