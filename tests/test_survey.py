"""`isic init`: what it says of a folder of labelled images, and the settings that it writes."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from isic import InputError
from isic.cli import main
from isic.data.folder import index_folder
from isic.settings import check, merge
from isic.survey import STORED, Survey, epochs, report, settings_file, survey

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "schemas/config.schema.yaml"
HEADER = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"


def picture(path: Path, seed: int, size: tuple[int, int] = (90, 70)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(noise).save(path)


def photos(folder: Path, counts: dict[str, int]) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            picture(folder / name / f"{i}.png", 1000 * number + i)
    return folder


def looked_at(folder: Path) -> Survey:
    index, truth, skipped = index_folder(folder, "skip")
    return survey(folder, index, len(truth), skipped)


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
    assert "1 true boxes in boxes.csv" in said(folder)
    (folder / "boxes.csv").write_text(HEADER + "test,dog,1.png,90,70,1,2,30,40\n")
    with pytest.raises(InputError, match=r"line 2: there is no image test/dog/1\.png"):
        index_folder(folder)


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


def run(monkeypatch, folder: Path, *words: object) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["isic", "init", *map(str, words)])
    try:
        main()
    except SystemExit as stopped:
        return stopped.code or 0
    return 0


def settings(path: Path) -> tuple[str, dict]:
    """The one data set of a settings file, checked as Snakemake's start checks it."""
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    merged = check(merge(config, own), SCHEMA)
    (name,) = own["datasets"]
    return name, merged[name]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("photos", "photos"),
        ("My photos, 2024", "My-photos-2024"),
        ("birds", "my-birds"),
        ("ünïcode", "n-code"),
        ("写真", "images"),
        ('it\'s: #1 "best"', "it-s-1-best"),
        ("- dash", "dash"),
        ("null", "null"),
        ("1e3", "1e3"),
    ],
)
def test_settings_are_valid_whatever_the_folder_is_called(
    folder: str, name: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    photos(tmp_path / folder, {"a": 2, "b": 2})
    assert run(monkeypatch, tmp_path, f"./{folder}", "--output", "s.yaml") == 0
    found, own = settings(tmp_path / "s.yaml")
    assert str(found) == name
    assert Path(own["source"]["root"]) == Path(folder)
    assert own["classifier"]["weights"] == own["segmenter"]["weights"]
    assert own["classifier"]["epochs"] == 32
    assert own["features"]["shards"] == 1
    assert own["images"]["unreadable"] == "error"
    assert f"results/{name}/predictions/boxes.csv" in capsys.readouterr().out


def test_what_cannot_be_read_is_skipped_by_the_settings(tmp_path: Path, monkeypatch) -> None:
    folder = photos(tmp_path / "p", {"a": 2, "b": 2})
    (folder / "a/bad.jpg").write_bytes(b"")
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    weights = ("--backbone", "resnet18", "--weights", "my weights.pth")
    assert run(monkeypatch, tmp_path, "p", *weights) == 0
    _, own = settings(tmp_path / "p.yaml")
    assert own["images"]["unreadable"] == "skip"
    assert own["classifier"]["backbone"] == own["segmenter"]["backbone"] == "resnet18"
    assert own["segmenter"]["weights"] == "my weights.pth"
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def test_large_sets_are_kept_as_jpeg() -> None:
    n = STORED // (192**2 * 3) + 1
    table = {"image_id": [f"a/{i}" for i in range(n)], "split": "train", "class": "a"}
    index = pd.DataFrame(table).assign(width=90, height=90, digest="0")
    index.loc[0, "class"] = "b"
    for rows, store in ((n, "jpeg"), (n - 2, "pixels")):
        found = Survey(Path("p"), index[:rows], 0, [], [])
        text = settings_file(found, "p", False, "resnet50", "none")
        assert yaml.safe_load(text)["datasets"]["p"]["images"]["store"] == store
    assert yaml.safe_load(text)["datasets"]["p"]["features"]["shards"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere", "nowhere: no such folder"),
        ("p/a", "no class folders with images in it"),
        ("p --backbone resnet19", "torchvision has no network 'resnet19'"),
        ("p --output there.yaml", "there.yaml: is there already"),
    ],
)
def test_an_error_is_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    (tmp_path / "there.yaml").write_text("mine")
    assert run(monkeypatch, tmp_path, *words.split()) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("isic")]
    assert len(lines) == 1
    assert message in lines[0]
    assert (tmp_path / "there.yaml").read_text() == "mine"
    assert not (tmp_path / "p.yaml").exists()


PHOTOS = ROOT / "../shared/data/photos8"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/data/photos8")
def test_real_photographs(tmp_path: Path, monkeypatch, capsys) -> None:
    assert run(monkeypatch, tmp_path, PHOTOS.resolve(), "--output", "s.yaml") == 0
    text = capsys.readouterr().out
    assert "8 classes, 762 training images, 508 test images" in text
    assert "1270 true boxes in boxes.csv" in text
    assert "warning" not in text
    _, own = settings(tmp_path / "s.yaml")
    assert own["classifier"]["epochs"] == own["segmenter"]["epochs"] == 8
