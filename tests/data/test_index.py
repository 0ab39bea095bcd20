"""The index: what it holds, and what it refuses before any work starts."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from odd_images import deep_png, few_bits, frames
from PIL import Image
from sources import SHARED, needs, picture, refused

from isic.data import image
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
    (root / "train/007/notes.txt").write_text("")
    (root / "train/007/Thumbs.db").write_text("")
    (root / "train/007/.hidden.txt").write_text("")
    assert len(index_folder(root)[0]) == before
    said = capsys.readouterr().out
    assert f"warning: {root}: 1 file that is no image by name left out: 1 .txt" in said


def test_images_of_other_kinds_are_counted_once(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train/007/a.jxl", "train/NA/b.jxl", "train/NA/x.psd", "test/NA/clip.webm"):
        (root / name).write_bytes(b"")
    assert len(index_folder(root)[0]) == 4
    said = capsys.readouterr().out
    assert said.count("warning") == 2
    assert "3 files of kinds that are not read left out: 2 .jxl, 1 .psd, as train/007/a.jxl" in said
    assert "1 file that is no image by name left out: 1 .webm" in said


def test_images_deeper_in_a_class_folder_are_of_the_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("n01/images/b.jpg", "n01/images/a.jpg", "n02/images/c.jpg", "n02/d.jpg"):
        picture(tmp_path / "tiny/train" / name)
    for name in ("n01", "n02"):
        (tmp_path / "tiny/train" / name / "boxes.txt").write_text("")
    picture(tmp_path / "tiny/val/images/e.jpg")
    index = index_folder(tmp_path / "tiny")[0]
    assert index[["image_id", "class"]].to_numpy().tolist() == [
        ["train/n01/images/a.jpg", "n01"],
        ["train/n01/images/b.jpg", "n01"],
        ["train/n02/d.jpg", "n02"],
        ["train/n02/images/c.jpg", "n02"],
    ]
    said = capsys.readouterr().out
    assert "3 images lie in folders of their class folder, as train/n01/images/a.jpg" in said
    assert "1 images are in no class folder, and left out: val/images/e.jpg" in said
    assert "2 files that are no images by name left out: 2 .txt" in said
    assert list(index_folder(tmp_path / "tiny/train")[0]["class"]) == ["n01", "n01", "n02", "n02"]


def test_train_is_not_guessed_to_be_a_split_or_a_class(tmp_path: Path) -> None:
    for name in ("train/steam/a.jpg", "train/diesel/b.jpg", "bus/c.jpg", "car/d.jpg"):
        picture(tmp_path / "v" / name)
    refused(
        tmp_path / "v", "train holds diesel, steam", "images in bus, car", "rename it", "v/train"
    )
    (tmp_path / "v/train").rename(tmp_path / "v/trains")
    assert classes(index_folder(tmp_path / "v")[0]) == ["bus", "car", "trains"]
    assert classes(index_folder(tmp_path / "v/trains")[0]) == ["diesel", "steam"]


def test_parts_of_a_set_are_no_classes(tmp_path: Path) -> None:
    for name in ("Train/a/1.jpg", "Train/b/2.jpg", "Test/a/3.jpg"):
        picture(tmp_path / "p" / name)
    refused(tmp_path / "p", "it holds Test, Train", "name them train and test")
    for name in ("photos/a/1.jpg", "photos/b/2.jpg"):
        picture(tmp_path / "q" / name)
    refused(tmp_path / "q", "one folder with images, photos, which holds a, b", "name", "q/photos")
    assert len(index_folder(tmp_path / "q/photos")[0]) == 2


def test_folders_of_the_system_and_of_predictions_are_no_classes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(index_folder(root)[0]["image_id"])
    for folder in ("@eaDir", "train/@eaDir", "train/007/@eaDir", "__MACOSX", "train/lost+found"):
        (root / folder).mkdir()
    assert list(index_folder(root)[0]["image_id"]) == names
    assert "warning" not in capsys.readouterr().out
    picture(root / "train/@eaDir/a.PNG/SYNOPHOTO_THUMB_M.jpg")
    picture(root / "train/found/masks/a.png")
    (root / "train/found/predictions.json").write_text("{}")
    assert list(index_folder(root)[0]["image_id"]) == names
    said = capsys.readouterr().out
    assert said.count("warning") == 1
    assert "2 folders with images left out" in said
    assert "train/@eaDir, train/found/masks" in said


def test_links_are_entered_and_loops_end(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "store/1.jpg")
    (root / "train/new").symlink_to(tmp_path / "store")
    (root / "train/007/up").symlink_to("..")
    assert classes(index_folder(root)[0]) == ["007", "NA", "new"]
    assert "1 link not followed" in capsys.readouterr().out


def test_closed_folders_are_refused_or_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "train/007/more").mkdir()
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("/more"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused(root, "train/007/more (Permission denied). Make them readable", "unreadable: skip")
    assert len(index_folder(root, "skip")[0]) == 4
    assert "train/007/more (Permission denied)" in capsys.readouterr().out


def test_names_that_are_not_utf8_are_refused_before_the_work(root: Path) -> None:
    for folder in (root, root / "train/007"):
        (folder / "train").mkdir(exist_ok=True)
    os.mkdir(os.fsencode(root) + b"/train/\xe9t\xe9")
    for name in (b"/train/\xe9t\xe9/1.jpg", b"/train/007/caf\xe9.jpg"):
        with open(os.fsencode(root) + name, "wb") as file:
            file.write(b"not even an image")
    refused(
        root, "2 images or their folders are not UTF-8", "train/007/caf\\xe9.jpg", "Rename them"
    )


def test_what_is_scaled_or_left_out_of_an_image_is_said(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "train/007/deep.png").write_bytes(deep_png(few_bits(1, 12)))
    (root / "train/NA/pages.tif").write_bytes(frames("TIFF"))
    index_folder(root)
    said = capsys.readouterr().out
    assert "train/007/deep.png: 12 bits in 16, scaled from 0 to 4095" in said
    assert "train/NA/pages.tif: the first of several frames or pages is taken" in said


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
    refused(root, "boxes.csv", "line 2", "12 x 8", "8 x 12")


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
    monkeypatch.setattr(image, "MOST", 95)
    refused(root, "a.PNG (more than 9.5e-05 million pixels")


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


def test_all_wrong_boxes_are_told_at_once_and_before_images_are_decoded(root: Path) -> None:
    (root / "train/NA/ä, 1.JPEG").write_bytes(b"no image, which nobody has come to notice")
    rows = ["test,NA,x.jpg,12,8,0,0,3,3"] * 5 + ["test,NA,c.webp,12,8,7,1,5,3", "test,NA,c.webp,?"]
    rows += ["test,NA,c.webp,12,8,1,1,4,4", "test,NA,c.webp,8,12,1,1,4,4"]
    (root / "boxes.csv").write_text(HEADER + "\n".join(rows))
    refused(
        root,
        "boxes.csv: 8 of 9 rows cannot be used",
        "names no image (correct split, class and file): 5 (line 2: no image test/NA/x.jpg; "
        "line 3: no image test/NA/x.jpg; line 4: no image test/NA/x.jpg; and 2 more)",
        "the box is empty (an image without an object has no row): 1 (line 7: box (7, 1, 5, 3)",
        "must be numbers: 1 (line 8: test/NA/c.webp)",
        "8 x 12 pixels, but upright it has 12 x 8",
    )


def many(root: Path, *boxes: tuple[float, ...], size: tuple[int, int] = (60, 40)) -> None:
    """boxes.csv with these boxes, of one larger image."""
    picture(root / "test/NA/d.png", *size)
    rows = [f"test,NA,d.png,{size[0]},{size[1]},{','.join(map(str, box))}" for box in boxes]
    (root / "boxes.csv").write_text(HEADER + "\n".join(rows))


def test_boxes_as_shares_are_refused_with_the_remedy(root: Path) -> None:
    many(root, (0.1, 0.1, 0.9, 0.9), (0, 0, 1, 1), (0, 0.25, 1, 0.75))
    refused(root, "3 of 3", "shares of the image (0 … 1)", "multiply xmin and xmax by width")
    many(root, (0.5, 0.5, 0.2, 0.4), (0.2, 0.3, 0.1, 0.6), (0.3, 0.2, 0.5, 0.4))
    refused(root, "3 of 3", "as YOLO has them", "(centre x - size x / 2) * width")
    many(root, (10, 10, 30, 30), (0.1, 0.1, 0.9, 0.9))
    refused(root, "shares of the image", "line 3")
    many(root, (10.2, 10.2, 10.9, 30))
    refused(root, "smaller than a pixel")
    many(root, (0, 0, 1, 1), size=(1, 1))  # the only box that such an image has
    assert len(index_folder(root)[1]) == 1


def test_width_and_height_in_the_corners_columns_are_noticed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offsets = [(30, 20, 25, 15), (2, 3, 30, 20), (5, 5, 20, 11), (1, 2, 4, 5), (9, 9, 30, 20)] * 2
    many(root, *offsets)
    refused(root, "the box is empty", "line 2", "all rows fit: then xmax = xmin + width")
    many(root, *offsets[1:5], *offsets[6:])
    assert len(index_folder(root)[1]) == 8
    said = capsys.readouterr().out
    assert "warning: " in said
    assert "xmax = xmin + width" in said
    corners = [(x, y, x + width, y + height) for x, y, width, height in offsets]
    for boxes in (corners, offsets[1:5], [(0, 0, 60, 40)] * 9, [(15, 10, 45, 30)] * 9):
        many(root, *boxes)
        index_folder(root)
        assert "warning" not in capsys.readouterr().out


def test_boxes_a_little_over_the_edge_are_clipped_and_counted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many(root, (-2, -1, 62, 41), (0, 0, 60.5, 40), (4, 4, 61.5, 39))
    truth = index_folder(root)[1]
    assert truth[["x0", "y0", "x1", "y1"]].to_numpy().tolist()[0] == [0, 0, 60, 40]
    said = capsys.readouterr().out
    assert "warning: 2 of 3 true boxes reach over the edge" in said
    assert "by up to 2 pixels" in said
    many(root, (0, 0, 64, 40), (-4, 0, 60, 40))
    refused(root, "2 of 2 rows", "outside its image")
