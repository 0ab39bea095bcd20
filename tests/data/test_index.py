"""The index: what it holds, and what it refuses before any work starts."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sources import SHARED, needs, picture, refused

from isic.data.index import class_ids, classes, read_index, read_truth
from isic.data.sources.folder import index_folder
from isic.errors import InputError
from isic.storage.tables import write_csv

PHOTOS = SHARED / "photos8"
HEADER = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, train and test, with one box; class and file names as people choose them."""
    root = tmp_path / "set"
    for name in ("train/007/b.jpg", "train/007/a.PNG", "train/NA/ä, 1.JPEG", "test/NA/c.webp"):
        picture(root / name)
    (root / "train/007/.hidden.jpg").write_bytes(b"")
    (root / "boxes.csv").write_text(f"{HEADER}test,NA,c.webp,12,8,1,2,12.5,8\n")
    return root


def test_folder(root: Path, tmp_path: Path) -> None:
    index, truth, skipped = index_folder(root)
    assert list(index["image_id"]) == [
        "train/007/a.PNG",
        "train/007/b.jpg",
        "train/NA/ä, 1.JPEG",
        "test/NA/c.webp",
    ]
    assert list(index["split"]) == ["train"] * 3 + ["test"]
    assert list(index["width"]) == [12] * 4
    assert list(index["height"]) == [8] * 4
    assert skipped == []
    assert truth.to_numpy().tolist() == [["test/NA/c.webp", 1, 2, 12, 8]]  # clipped by half a pixel
    assert classes(index) == ["007", "NA"]
    assert class_ids(index).tolist() == [0, 0, 1, 1]
    assert class_ids(index).dtype == np.int64

    write_csv(index, tmp_path / "index.csv")
    write_csv(truth, tmp_path / "truth.csv")
    pd.testing.assert_frame_equal(read_index(tmp_path / "index.csv"), index)
    pd.testing.assert_frame_equal(read_truth(tmp_path / "truth.csv"), truth)
    pd.testing.assert_frame_equal(index_folder(root, workers=3)[0], index)


def test_boxes_and_test_images_are_optional(root: Path, tmp_path: Path) -> None:
    (root / "boxes.csv").unlink()
    shutil.rmtree(root / "test")
    index, truth, _ = index_folder(root)
    assert set(index["split"]) == {"train"}
    write_csv(truth, tmp_path / "truth.csv")
    assert (tmp_path / "truth.csv").read_text() == "image_id,x0,y0,x1,y1\n"
    pd.testing.assert_frame_equal(read_truth(tmp_path / "truth.csv"), truth)


def test_what_is_no_image_by_name_is_left_out_with_a_warning(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(index_folder(root)[0])
    assert "warning" not in capsys.readouterr().out
    (root / "test/NA/more").mkdir()
    (root / "train/007/Thumbs.db").write_text("")
    (root / "train/007/.hidden.txt").write_text("")
    assert len(index_folder(root)[0]) == before
    said = capsys.readouterr().out
    assert f"warning: {root}: 2 files or folders are no images by name" in said


def test_several_boxes_follow_the_order_of_the_index(root: Path) -> None:
    rows = (
        "test,NA,c.webp,12,8,1,2,3,4\n\ntrain,007,b.jpg,12,8,0,0,2,2\ntest,NA,c.webp,12,8,5,5,6,6"
    )
    (root / "boxes.csv").write_text(HEADER + rows, encoding="utf-8-sig")
    truth = index_folder(root)[1]
    assert list(truth["image_id"]) == ["train/007/b.jpg", "test/NA/c.webp", "test/NA/c.webp"]
    assert list(truth["x0"]) == [0, 1, 5]


def test_exif_orientation_counts(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    picture(root / "test/NA/c.webp", exif=exif)
    (root / "boxes.csv").write_text(f"{HEADER}test,NA,c.webp,8,12,0,0,8,12\n")
    index, truth, _ = index_folder(root)
    assert index.iloc[-1][["width", "height"]].tolist() == [8, 12]
    assert truth.iloc[0, 1:].tolist() == [0, 0, 8, 12]
    (root / "boxes.csv").write_text(f"{HEADER}test,NA,c.webp,12,8,0,0,12,8\n")
    refused(root, "boxes.csv, line 2", "12 x 8", "8 x 12")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_unreadable_images_are_named_or_skipped(root: Path, monkeypatch) -> None:
    cut = root / "train/007/cut.jpg"
    picture(cut, 100, 100)
    cut.write_bytes(cut.read_bytes()[:-1000])
    (root / "train/007/empty.png").write_bytes(b"")
    (root / "train/007/lost.jpg").symlink_to("nowhere.jpg")
    (root / "test/NA/text.jpg").write_text("no picture")
    with (root / "boxes.csv").open("a") as file:
        file.write("test,NA,text.jpg,12,8,1,1,5,5\n")
    refused(
        root,
        "4 of 8 images",
        "train/007/cut.jpg (image file is truncated",
        "empty.png (empty file)",
        "lost.jpg (No such file",
        "test/NA/text.jpg (not an image)",
        "unreadable: skip",
    )
    index, truth, skipped = index_folder(root, unreadable="skip")
    assert len(index) == 4
    assert len(truth) == 1
    assert skipped[-1] == "test/NA/text.jpg"
    assert len(skipped) == 4

    for i in range(20):
        (root / f"train/NA/bad{i:02}.jpg").write_bytes(b"x")
    refused(root, "24 of 28", "bad06.jpg", "and 14 more")
    refused(root, "unreadable: 'maybe'", unreadable="maybe")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 95)
    refused(root, "a.PNG (more than 95 pixels)")


def test_a_class_that_loses_its_training_images_is_refused(root: Path) -> None:
    (root / "train/NA/ä, 1.JPEG").write_bytes(b"")
    refused(root, "class 'NA'", "no training image", unreadable="skip")


def test_layout(root: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "nothing: no such folder", "train/CLASS/*.jpg")
    refused(root / "train/NA", "no class folders", "it holds no folders", "train/CLASS/*.jpg")
    (root / "train").rename(root / "valid")
    refused(root, "nor a folder train", "it holds test, valid")
    (root / "valid").rename(root / "train")
    (root / "train/empty").mkdir()
    refused(root, "class 'empty'", "no training image")
    (root / "train/empty").rmdir()
    picture(root / "test/other/d.jpg")
    refused(root, "test/other", "'other' is not among the classes")
    shutil.rmtree(root / "test")
    (root / "boxes.csv").unlink()
    shutil.rmtree(root / "train/NA")
    refused(root, "1 class", "second class")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("no column split",)),
        ("split;class;file\n", ("no column split", HEADER.strip())),
        (HEADER.replace(",xmax", ""), ("no column xmax",)),
        ("test,NA,x.jpg,12,8,0,0,1,1", ("line 2", "no image test/NA/x.jpg")),
        ("test,NA,c.webp,12,8,0,0,1", ("line 2", "must be numbers")),
        ("test,NA,c.webp,12,8,0,0,1,nan", ("line 2", "four finite numbers")),
        ("test,NA,c.webp,13,8,0,0,1,1", ("line 2", "13 x 8", "12 x 8")),
        ("test,NA,c.webp,12,8,5,1,5,2", ("line 2", "box (5, 1, 5, 2)", "is empty")),
        ("test,NA,c.webp,12,8,5,4,6,2", ("line 2", "is empty")),
        ("test,NA,c.webp,12,8,1,1,13,2", ("line 2", "test/NA/c.webp", "outside its image")),
        ("test,NA,c.webp,12,8,-1,1,2,2", ("line 2", "(-1, 1, 2, 2)", "outside its image")),
        ("test,NA,c.webp,12,8,12.1,1,12.9,2", ("line 2", "outside its image")),
    ],
)
def test_boxes_that_are_wrong(root: Path, text: str, words: tuple[str, ...]) -> None:
    whole = text if text.startswith("split") or not text else HEADER + text
    (root / "boxes.csv").write_text(whole)
    refused(root, "boxes.csv", *words)


def test_index_that_was_tampered_with(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    index = index_folder(root)[0]
    for table, word in (
        (index.drop(columns="digest"), "no column digest"),
        (index.iloc[:0], "holds no image"),
        (pd.concat([index, index]), "twice"),
        (index.assign(split="val"), "split"),
        (index.assign(width="wide"), "cannot be read"),
    ):
        write_csv(table, path)
        with pytest.raises(InputError, match=rf"index\.csv: .*{word}"):
            read_index(path)
    with pytest.raises(InputError, match="does not exist"):
        read_index(tmp_path / "none.csv")


@needs(PHOTOS)
def test_real_photographs() -> None:
    index, truth, _ = index_folder(PHOTOS)
    assert index["split"].value_counts().to_dict() == {"train": 762, "test": 508}
    assert classes(index) == [
        "aeroplane",
        "bird",
        "boat",
        "car",
        "cat",
        "dog",
        "motorbike",
        "train",
    ]
    assert list(truth["image_id"]) == list(index["image_id"])
    box = truth.set_index("image_id").loc["test/aeroplane/voc2007_000618.jpg"]
    assert box.tolist() == [79, 22, 313, 186]
