"""What `isic init` says of a folder of labelled images."""

import shutil
import socket
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from photos import photos, picture

from isic import InputError
from isic.data.sources.folder import index_folder
from isic.product.survey import (
    LISTED,
    TAKEN,
    Survey,
    epochs,
    report,
    survey,
)

ROOT = Path(__file__).parents[2]
HEADER = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch) -> None:
    """Whatever asks for the network in these tests fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def looked_at(folder: Path) -> Survey:
    index, truth, skipped = index_folder(folder, "skip")
    return survey(folder, index, truth, skipped)


def said(folder: Path) -> str:
    return "\n".join(report(looked_at(folder)))


def warned(folder: Path) -> str:
    return "\n".join(line for line in report(looked_at(folder)) if line.startswith("warning:"))


def test_class_folders_are_all_it_takes(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"cat": 12, "dog": 10})
    index, truth, _ = index_folder(folder)
    assert index["image_id"].iloc[0] == "cat/0.png"
    assert set(index["split"]) == {"train"}
    assert len(truth) == 0
    text = said(folder)
    assert "2 classes, 22 training images, no test images" in text
    assert "cat 12, dog 10" in text
    assert "width 90 to 90 (median 90), height 70 to 70" in text
    assert "no boxes: labels are enough" in text
    assert "warning" not in text


def test_a_class_may_be_called_train_or_test(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"train": 2, "test": 2, "bus": 2})
    index, _, _ = index_folder(folder)
    assert set(index["class"]) == {"train", "test", "bus"}
    assert set(index["split"]) == {"train"}
    (folder / "boxes.csv").write_text(HEADER + "train,train,0.png,90,70,1,2,30,40\n")
    assert list(index_folder(folder)[1]["image_id"]) == ["train/0.png"]


def test_boxes_need_no_split(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"cat": 2, "dog": 2})
    (folder / "boxes.csv").write_text(HEADER + "train,dog,1.png,90,70,1,2,30,40\n")
    text = said(folder)
    assert "1 true boxes in boxes.csv, for 1 of 4 training images" in text
    assert "no test images, so the training images are scored" in text
    assert "without one are left out" in text
    (folder / "boxes.csv").write_text(HEADER + "test,dog,1.png,90,70,1,2,30,40\n")
    with pytest.raises(InputError, match=r"line 2: no image test/dog/1\.png"):
        index_folder(folder)


@pytest.mark.parametrize(
    ("boxed", "words"),
    [
        (["test"] * 2, "for 2 of 2 test images: they serve for scoring alone"),
        (["test", "train"], "2 true boxes in boxes.csv, for 1 of 2 test images"),
        (["train"] * 2, "for 0 of 2 test images: nothing will be scored"),
    ],
)
def test_boxes_are_counted_by_the_images_that_can_be_scored(
    tmp_path: Path, boxed: list[str], words: str
) -> None:
    for split in ("train", "test"):
        photos(tmp_path / "p" / split, {"cat": 1, "dog": 1})
    rows = [
        f"{split},{name},0.png,90,70,1,2,30,40"
        for split, name in zip(boxed, ("cat", "dog"), strict=True)
    ]
    (tmp_path / "p/boxes.csv").write_text(HEADER + "\n".join(rows))
    text = said(tmp_path / "p")
    assert words in text
    assert ("without one are left out" in text) == (len(set(boxed)) == 2)


def test_splits_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    photos(folder / "train", {"cat": 10, "dog": 10})
    photos(folder / "test", {"cat": 1})
    photos(folder / "valid", {"cat": 1})
    text = said(folder)
    assert "2 classes, 20 training images, 1 test images" in text
    assert "not used: valid" in text
    assert "1 images stand among the training and the test images" in text  # the same noise
    assert "train/cat/0.png = test/cat/0.png" in text


def test_loose_files_are_not_used(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"cat": 10, "dog": 10})
    (folder / "notes.txt").write_text("notes")
    (folder / ".cache").mkdir()
    assert "not used: notes.txt" in said(folder).splitlines()


def test_of_many_classes_some_are_named(tmp_path: Path) -> None:
    counts = {f"c{i:02}": 2 + i % 3 for i in range(LISTED + 2)}
    text = said(photos(tmp_path / "p", counts))
    assert "training images a class: c00 2, c01 3, " in text
    assert "c09 2, and 2 more classes" in text
    assert "c10" not in text.splitlines()[1]
    assert "from 2 (c00) to 4 (c02), median 3" in text
    assert "12 classes have fewer than 10 training images: c00, " in text
    assert text.endswith("c09, and 2 more")


def test_ten_times_as_many_images_are_not_uneven(tmp_path: Path) -> None:
    assert "times as many" not in warned(photos(tmp_path / "p", {"many": 100, "few": 10}))
    picture(tmp_path / "p/many/more.png", 5000)
    assert "class many has 10 times as many" in warned(tmp_path / "p")


def test_ten_images_are_not_few_and_64_pixels_not_small(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    for name in "ab":
        for i in range(10):
            picture(folder / name / f"{i}.png", 10 * ord(name) + i, (64, 64))
    assert warned(folder) == ""


def test_trouble_is_named(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"many": 130, "few": 3, "some": 12})
    shutil.copy(folder / "many/0.png", folder / "many/copy.png")
    shutil.copy(folder / "many/1.png", folder / "few/other.png")
    (folder / "some/bad.jpg").write_text("no image")
    picture(folder / "some/small.png", 9, (20, 500))
    text = warned(folder)
    assert "1 files cannot be read and will be left out: some/bad.jpg" in text
    assert "class many has 33 times as many training images as few" in text
    assert "1 classes have fewer than 10 training images: few" in text
    assert "1 images have a side below 64 pixels: some/small.png" in text
    assert "1 images stand in several classes, the same file: few/other.png = many/1.png" in text
    assert "1 images are there more than once, the same file: many/0.png = many/copy.png" in text
    assert len(text.splitlines()) == 6


def test_each_class_is_seen_about_as_often() -> None:
    assert epochs(762, 8) == 8
    assert 20 <= epochs(5994, 200) <= 32
    assert epochs(1_281_167, 1000) == 5
    assert epochs(4, 2) == 32


@given(st.integers(2, 1000), st.integers(1, 10**6), st.integers(0, 10**6))
def test_more_images_never_take_more_epochs(classes: int, images: int, more: int) -> None:
    few, many = epochs(images, classes), epochs(images + more, classes)
    assert 5 <= many <= few <= 32


def test_no_name_of_the_configuration_is_taken_again() -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert set(TAKEN) == {*config["datasets"], "weights"}
