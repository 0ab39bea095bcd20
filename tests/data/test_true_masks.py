"""True masks of a user's data set and of CUB: where they lie, what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photos import photos
from PIL import Image

from isic.data.sources.by_layout import index_of, truth_of
from isic.data.sources.folder import folder_index, index_folder
from isic.data.sources.listing import truth_state
from isic.data.sources.masked import images_state, masks_state
from isic.data.true_masks import decoded_mask, read_masks, write_masks
from isic.errors import InputError

W, H = 90, 70


def write_mask(path: Path, value: int = 1, size: tuple[int, int] = (W, H), mode: str = "L") -> None:
    """A mask with the rectangle 10, 20, 40, 50 in it."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[20:50, 10:40] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).convert(mode).save(path)


@pytest.fixture(params=["split", "flat"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two classes with two images each, and masks of all but one."""
    root = tmp_path / "set"
    photos(root / "train" if request.param == "split" else root, {"a": 2, "b": 2})
    for name in ("a/0", "a/1", "b/0"):
        write_mask(root / f"masks/train/{name}.png")
    return root


def truth(root: Path, layout: str = "folder") -> tuple[pd.DataFrame, dict[str, bytes]]:
    return truth_of(layout, root, index_of(layout, root, "error", 1)[0], 1)


def refused(root: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        truth(root)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(root / "masks"), *words):
        assert word in message


def test_masks_are_read_and_packed(root: Path, tmp_path: Path, capsys) -> None:
    index = folder_index(root, "error", 1)[0]
    assert index["class"].tolist() == ["a", "a", "b", "b"]  # masks are no images
    assert "masks" not in capsys.readouterr().out
    boxes, png = truth(root)
    assert list(png) == index["image_id"].tolist()[:3]
    assert boxes["image_id"].tolist() == list(png)  # without boxes.csv
    assert boxes.iloc[0, 1:].tolist() == [10, 20, 40, 50]
    assert index_folder(root)[1].equals(boxes)
    assert f"1 images ({index['image_id'][3]}) of 4 have no true mask" in capsys.readouterr().out
    write_masks(png, tmp_path / "true_masks.h5")
    assert read_masks(tmp_path / "true_masks.h5") == png
    for one in png.values():
        mask = decoded_mask(one)
        assert mask.shape == (H, W)
        assert (mask == 1).sum() == mask.sum() == 900


def test_boxes_csv_goes_before_the_masks(root: Path) -> None:
    rows = f"train,a,0.png,{W},{H},1,2,30,40\n"
    head = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"
    (root / "boxes.csv").write_text(head + rows, encoding="utf-8")
    boxes, png = truth(root)
    assert boxes.iloc[:, 1:].to_numpy().tolist() == [[1, 2, 30, 40]]
    assert len(png) == 3


def test_all_wrong_masks_are_told_at_once(root: Path) -> None:
    write_mask(root / "masks/train/a/0.png", size=(H, W))
    write_mask(root / "masks/train/a/1.png", value=2)
    write_mask(root / "masks/train/b/0.png", mode="RGB")
    refused(root, "3 of 4 masks", "another size", "not 0, 1 or 255", "one channel", "a/0.png")
    (root / "masks/train/b/0.png").write_bytes(b"text")
    refused(root, "no PNG that can be read: 1 (")


def test_objects_are_1_and_not_255(root: Path) -> None:
    for path in root.glob("masks/*/*/*.png"):
        write_mask(path, value=255)
    refused(root, "no mask has a pixel of 1")
    write_mask(root / "masks/train/a/0.png")
    boxes, png = truth(root)
    assert [Path(name).stem for name in png] == ["0"]
    assert len(boxes) == 3  # a band along the outline is within the object's box


def test_masks_of_no_image_are_counted(root: Path, capsys) -> None:
    write_mask(root / "masks/train/b/7.png")
    truth(root)
    said = capsys.readouterr().out
    assert "1 files in masks are the mask of no image" in said
    assert "masks/train/b/7.png" in said


def test_a_mask_changes_nothing_but_the_truth(root: Path) -> None:
    def states() -> tuple[str, str, str]:
        return tuple(state("folder", root) for state in (images_state, truth_state, masks_state))

    images, boxes, masks = states()
    write_mask(root / "masks/train/b/1.png")
    assert states()[:2] == (images, boxes)
    assert states()[2] != masks
    (root / "masks/train/a/0.png").unlink()
    assert states()[:2] == (images, boxes)
    next(root.rglob("a/1.png")).rename(root / "x.png")
    assert states()[0] != images or states()[2] != masks


def test_a_class_may_be_called_masks(tmp_path: Path) -> None:
    photos(tmp_path, {"masks": 2, "b": 2})
    index = folder_index(tmp_path, "error", 1)[0]
    assert set(index["class"]) == {"masks", "b"}
    assert truth(tmp_path)[1] == {}


@pytest.mark.parametrize("place", ["segmentations", "CUB_200_2011/segmentations"])
def test_segmentations_of_cub_count_where_most_annotators_agree(tmp_path: Path, place: str) -> None:
    base = tmp_path / "CUB_200_2011"
    photos(base / "images", {"001.A": 2, "002.B": 2})
    names = ["001.A/0.png", "001.A/1.png", "002.B/0.png", "002.B/1.png"]
    lines = {
        "images.txt": names,
        "image_class_labels.txt": [1, 1, 2, 2],
        "train_test_split.txt": [1, 0, 1, 0],
        "bounding_boxes.txt": ["5 5 30 30"] * 4,
        "classes.txt": ["001.A", "002.B"],
    }
    for name, rows in lines.items():
        text = "".join(f"{number} {row}\n" for number, row in enumerate(rows, 1))
        (base / name).write_text(text)
    assert truth(tmp_path, "cub")[1] == {}
    state = masks_state("cub", tmp_path)
    for name, value in zip(names, (255, 153, 102, 204), strict=True):
        write_mask(tmp_path / place / name, value=value)
    boxes, png = truth(tmp_path, "cub")
    assert masks_state("cub", tmp_path) != state
    assert boxes.iloc[0, 1:].tolist() == [5, 5, 35, 35]
    assert [Path(name).stem for name in png] == ["0", "1", "1"]  # 2 of 5 saw one otherwise
    assert all(decoded_mask(one).sum() == 900 for one in png.values())
