"""Whether a data set's folder has changed, told without opening an image."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isic.data.sources.listing import index_state, truth_state

FILES = {
    "folder": ["a/1.jpg", "b/2.jpg", "boxes.csv"],
    "cub": [
        *("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"),
        *("images/a/1.jpg", "bounding_boxes.txt"),
    ],
    "pets": [
        *("images/a_1.jpg", "annotations/trainval.txt", "annotations/test.txt"),
        "annotations/trimaps/a_1.png",
    ],
    "imagenet": [
        *("train/n01440764/1.JPEG", "val/n01440764/2.JPEG", "LOC_synset_mapping.txt"),
        "LOC_val_solution.csv",
    ],
}
BOXES = {
    "folder": "boxes.csv",
    "cub": "bounding_boxes.txt",
    "pets": "annotations/trimaps/a_1.png",
    "imagenet": "LOC_val_solution.csv",
}


@pytest.fixture(params=FILES)
def layout(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def root(layout: str, tmp_path: Path) -> Path:
    for name in FILES[layout]:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ImageId,PredictionString\n2,n01440764 1 2 3 4\n")
    return tmp_path / "set"


def image(root: Path) -> Path:
    return sorted([*root.rglob("*.jpg"), *root.rglob("*.JPEG")])[0]


def leave(root: Path) -> None:
    """What a look at the folder leaves."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "._1.jpg", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"x")
        for name in ("@eaDir/1.jpg", ".thumbnails"):
            (folder / name).mkdir(parents=True)
            (folder / name / "1.jpg").write_bytes(b"x")
        os.utime(folder)


def test_a_look_changes_nothing(layout: str, root: Path) -> None:
    before = index_state(layout, root), truth_state(layout, root)
    leave(root)
    assert (index_state(layout, root), truth_state(layout, root)) == before


def test_boxes_are_the_truths_alone(layout: str, root: Path) -> None:
    index, truth = index_state(layout, root), truth_state(layout, root)
    path = root / BOXES[layout]
    path.write_text("ImageId,PredictionString\n2,n01440764 1 2 3 5\n")
    assert index_state(layout, root) == index
    assert truth_state(layout, root) != truth
    path.unlink()
    assert index_state(layout, root) == index
    assert truth_state(layout, root) != truth


def in_place(root: Path) -> None:
    """As many bytes, and the old time."""
    path = image(root)
    before = path.stat()
    path.write_bytes(b"y" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed(root: Path) -> None:
    image(root).rename(image(root).with_stem("new"))


def added(root: Path) -> None:
    shutil.copy(image(root), image(root).with_stem("more"))


def removed(root: Path) -> None:
    image(root).unlink()


@pytest.mark.parametrize("change", [in_place, renamed, added, removed])
def test_images_are_the_indexs(layout: str, root: Path, change: Callable[[Path], None]) -> None:
    index, truth = index_state(layout, root), truth_state(layout, root)
    change(root)
    assert index_state(layout, root) != index
    assert truth_state(layout, root) == truth


def test_labels_of_flat_validation_images_are_the_indexs(tmp_path: Path) -> None:
    """LOC_val_solution.csv holds them together with the boxes."""
    for name in ("train/n01440764/1.JPEG", "val/2.JPEG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    states = []
    for row in ("2,n01440764 1 2 3 4", "2,n01440764 1 2 3 5", "2,n01443537 1 2 3 5"):
        (tmp_path / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{row}\n")
        states.append((index_state("imagenet", tmp_path), truth_state("imagenet", tmp_path)))
    assert states[0][0] == states[1][0] != states[2][0]
    assert len({truth for _, truth in states}) == 3


def test_links_are_followed_and_lead_in_no_circle(tmp_path: Path) -> None:
    root = tmp_path / "set"
    (tmp_path / "store").mkdir()
    (tmp_path / "store/1.jpg").write_text("x")
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "store")
    (tmp_path / "store/back").symlink_to(root)
    before = index_state("folder", root)
    (tmp_path / "store/1.jpg").write_text("changed")
    assert index_state("folder", root) != before
