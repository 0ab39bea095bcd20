"""`isic predict`: files, folders and globs in; tables, masks and pictures out."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import CLASSES
from odd_images import BROKEN, BROKEN_NAMES, READ, SIZES, H, W, write_all
from PIL import Image

from isic import InputError
from isic.data.image import digest
from isic.product import predict
from isic.product.image_files import common_root, find_images
from isic.product.predict import names_for, new_predictions
from isic.product.predictions import read_predictions


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(path: Path, width: int = 60, height: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path.name))).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(noise).resize((width, height)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a/x.jpg", "a/x.png", "b/y z.JPG", "b/.hidden.jpg", ".cache/no.jpg", "c/d/e.webp"):
        picture(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_files_folders_and_globs_are_found_once(photos: Path, monkeypatch) -> None:
    monkeypatch.chdir(photos.parent)
    everything = ["a/x.jpg", "a/x.png", "b/y z.JPG", "c/d/e.webp"]
    for words, names in (
        (["photos"], everything),
        (["photos/a", "photos"], everything),
        (["photos/a/x.png", "photos/a"], ["a/x.png", "a/x.jpg"]),
        (["photos/*/x.*"], ["a/x.jpg", "a/x.png"]),
        (["photos/**/*.webp", str(photos / "c")], ["c/d/e.webp"]),
        (["photos/*"], [*everything, "notes.txt"]),
        (["photos/notes.txt"], ["notes.txt"]),
    ):
        files, problems, _ = find_images(words)
        assert [str(file.resolve().relative_to(photos)) for file in files] == names
        assert problems == {}
    (photos / "empty").mkdir()
    files, problems, _ = find_images(["nowhere.jpg", "*.gif", "photos/empty", "photos/a/x.jpg"])
    assert len(files) == 1
    assert problems == {
        "nowhere.jpg": "no such file or folder",
        "*.gif": "matches no image",
        "photos/empty": "no image in this folder",
    }
    assert common_root(find_images(["photos/b", "photos/c"])[0]) == photos


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "[1].png")
    assert find_images([str(path)]) == ([path], {}, [])


def test_names_never_collide() -> None:
    names = names_for(["a/x.jpg", "a/x.png", "b/x.jpg", "x", "y.tar.jpg"], ".png")
    assert list(names.values()) == ["a/x.jpg.png", "a/x.png.png", "b/x.png", "x.png", "y.tar.png"]
    names = names_for(["a.jpg", "a.png", "a.jpg.gif"], ".png")
    assert len(set(names.values())) == 3


@given(st.lists(st.text("ab.", min_size=1, max_size=6).filter(lambda x: x.strip(".")), unique=True))
def test_each_image_has_a_name_of_its_own(ids: list[str]) -> None:
    names = names_for(ids, ".b")
    assert list(names) == ids
    assert len(set(names.values())) == len(ids)


def test_predictions_are_complete(photos: Path, model: Path, isic, tmp_path: Path) -> None:
    assert isic("predict", model, photos, "--all-objects", "--min-area", 0.02).status == 0
    out = tmp_path / "predictions"
    images = pd.read_csv(out / "images.csv", keep_default_na=False)
    boxes = pd.read_csv(out / "boxes.csv", keep_default_na=False, dtype={"class": str})
    assert list(images["image_id"]) == ["a/x.jpg", "a/x.png", "b/y z.JPG", "c/d/e.webp"]
    assert (images[["width", "height"]] == [60, 40]).all(axis=None)
    assert images["objects"].sum() == len(boxes) > len(images)
    assert set(boxes["class"]) <= set(CLASSES)
    assert boxes["confidence"].between(0, 1).all()
    for row in images.itertuples():
        own = boxes[boxes["image_id"] == row.image_id]
        assert list(own["object"]) == list(range(1, row.objects + 1))
        with Image.open(out / row.mask) as mask:
            assert mask.mode == "P"
            values = np.asarray(mask)
        assert values.shape == (40, 60)
        for number, area, *corners in own[["object", "area", "x0", "y0", "x1", "y1"]].to_numpy():
            assert (values == number).sum() == area
            y, x = np.nonzero(values == number)
            assert corners[0] - 1 < x.min() <= x.max() < corners[2] + 1
            assert corners[1] - 1 < y.min() <= y.max() < corners[3] + 1
    overlays = sorted(p.relative_to(out).as_posix() for p in out.glob("overlays/**/*.jpg"))
    assert overlays == [
        *("overlays/a/x.jpg.jpg", "overlays/a/x.png.jpg"),
        *("overlays/b/y z.jpg", "overlays/c/d/e.jpg"),
    ]
    assert sorted(images["overlay"]) == overlays
    assert all((out / name.replace("overlays", "previews")).is_file() for name in overlays)
    assert "<title>photos: boxes</title>" in (out / "index.html").read_text()
    about = json.loads((out / "predictions.json").read_text())
    assert about["classes"] == CLASSES
    assert (out / about["root"]).resolve() == photos
    assert len(read_predictions(out).images) == 4
    assert not list(tmp_path.glob(".*.part"))


def test_what_is_not_wanted_is_not_written(photos: Path, model: Path, isic, tmp_path: Path) -> None:
    words = ("--no-masks", "--no-overlays", "--no-classes", "--output", tmp_path / "o")
    assert isic("predict", model, photos / "a", *words).status == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "boxes.csv",
        "images.csv",
        "predictions.json",
    ]
    boxes = pd.read_csv(tmp_path / "o/boxes.csv")
    assert len(boxes) == 2
    assert boxes[["class", "probability", "area"]].isna().all(axis=None)


def test_refined_masks_are_others(photos: Path, model: Path, isic) -> None:
    written = []
    for option in ("--no-refine", "--refine"):
        assert (
            isic("predict", model, photos, "--no-overlays", option, "--output", option).status == 0
        )
        written.append(read_predictions(Path(option)))
    for plain, other in zip(*(list(one.images.itertuples()) for one in written), strict=True):
        assert (written[0].mask(plain) != written[1].mask(other)).any()


def test_a_bad_file_is_reported_and_the_rest_goes_on(model: Path, isic, tmp_path: Path) -> None:
    read, broken = write_all(tmp_path / "odd")
    run = isic("predict", model, *read, *broken, "nowhere.png", "--all-objects")
    assert run.status == 3
    images = pd.read_csv(tmp_path / "predictions/images.csv", keep_default_na=False)
    images = images.set_index("image_id")
    asked = [path.name for path in [*read, *broken] if not path.is_dir()]
    assert [Path(name).name for name in images.index] == [*asked, "a folder.jpg", "nowhere.png"]
    for name in READ:
        row = images.loc[name]
        size = SIZES.get(name, (W, H))
        assert (int(row["width"]), int(row["height"])) == size
        with Image.open(tmp_path / "predictions" / row["mask"]) as mask:
            assert mask.size == size
    images.index = [Path(name).name for name in images.index]
    for name in [*BROKEN, *BROKEN_NAMES, "nowhere.png"]:
        assert images.loc[name, "problem"]
        assert images.loc[name, "objects"] == ""
        assert sum(name in line for line in run.said) == 1, name
    assert f"{len(broken) + 1} could not be read" in run.said[-1]
    notes = {"the first of several", "12 bits in 16", "least and greatest"}
    noted = [line for line in run.said if any(note in line for note in notes)]
    assert len(noted) == len(notes)
    assert len(run.said) == len(broken) + 2 + len(notes)
    assert images.loc["12 bits.png", "note"] == "12 bits in 16, scaled from 0 to 4095"
    assert len(read_predictions(tmp_path / "predictions").images) == len(READ)


def test_a_file_that_vanishes_meanwhile_is_reported(
    photos: Path, model: Path, isic, tmp_path: Path, monkeypatch
) -> None:
    def contents(path: Path) -> bytes:
        if path.name == "x.png":
            raise InputError("No such file or directory")
        return path.read_bytes()

    monkeypatch.setattr(predict, "contents", contents)
    run = isic("predict", model, photos)
    assert run.status == 3
    assert "a/x.png: cannot be read again (No such file" in run.said[0]
    images = pd.read_csv(tmp_path / "predictions/images.csv").set_index("image_id")
    assert images["objects"].isna().tolist() == [False, True, False, False]


def test_images_that_changed_since_they_were_indexed_are_refused(
    photos: Path, model: Path, isic, tmp_path
) -> None:
    shutil.rmtree(photos / "c")  # no image lies in it, but in a folder of its
    assert isic("index", photos, "index.csv").status == 0
    assert isic("predict", model, photos, "--index", "index.csv").status == 0
    before = sorted((tmp_path / "predictions").rglob("*"))
    for name in ("a/x.jpg", "a/x.png"):
        with Image.open(photos / name) as image:
            image.rotate(90, expand=True).save(photos / name)
    again = isic("predict", model, photos, "--index", "index.csv")
    assert again.status == 1
    assert "2 images (a/x.jpg, a/x.png) of" in again.only_line
    assert "have changed since they were indexed. Index again" in again.only_line
    assert sorted((tmp_path / "predictions").rglob("*")) == before


def test_labels_of_an_index_are_the_classes(photos: Path, model: Path, isic, tmp_path) -> None:
    table = pd.DataFrame({"image_id": ["b/y z.JPG", "a/x.png"], "split": "train"})
    table = table.assign(**{"class": ["two", "one"]}, width=60, height=40)
    table["digest"] = [digest((photos / name).read_bytes()) for name in table["image_id"]]
    table.to_csv(tmp_path / "index.csv", index=False)
    assert isic("predict", model, photos, "--index", "index.csv").status == 0
    boxes = pd.read_csv(tmp_path / "predictions/boxes.csv")
    assert boxes[["image_id", "class"]].to_numpy().tolist() == [
        ["b/y z.JPG", "two"],
        ["a/x.png", "one"],
    ]
    assert read_predictions(tmp_path / "predictions").classes == ["two", "one"]
    run = isic("predict", model, photos / "a", photos / "b", "--index", "index.csv")
    assert run.status == 1
    assert "the one folder" in run.said[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere.safetensors photos", "nowhere.safetensors"),
        ("{model} nowhere", "nowhere: no such file or folder"),
        ("{model} *.gif", "*.gif: matches no image"),
        ("photos/notes.txt photos", "photos/notes.txt"),
    ],
)
def test_an_error_is_one_line_and_writes_nothing(
    words: str, message: str, photos: Path, model: Path, isic, tmp_path: Path
) -> None:
    run = isic("predict", *words.format(model=model).split())
    assert run.status == 1
    assert len(run.said) == 1
    assert message in run.said[0]
    assert {path.name for path in tmp_path.iterdir()} == {"photos"}


def test_files_of_others_are_not_overwritten(photos: Path, model: Path, isic, tmp_path) -> None:
    other = tmp_path / "predictions/boxes.csv"
    other.parent.mkdir()
    other.write_text("mine")
    run = isic("predict", model, photos)
    assert run.status == 1
    assert "did not write. Name another folder with --output" in run.said[0]
    assert other.read_text() == "mine"
    other.rename(tmp_path / "predictions/mine.csv")
    assert isic("predict", model, photos).status == 0
    assert isic("predict", model, photos / "a").status == 0  # its own are replaced
    assert (tmp_path / "predictions/mine.csv").read_text() == "mine"
    assert len(pd.read_csv(tmp_path / "predictions/boxes.csv")) == 2
    assert len(list((tmp_path / "predictions/masks").rglob("*.png"))) == 2


def test_predictions_within_the_images_are_no_images(photos: Path, model: Path, isic) -> None:
    for _ in range(2):
        assert isic("predict", model, photos, "--output", photos / "found").status == 0
        assert len(pd.read_csv(photos / "found/images.csv")) == 4
    file = photos / "file"
    file.write_text("mine")
    run = isic("predict", model, photos, "--output", file)
    assert (run.status, run.said) == (
        1,
        [f"isic: {file}: is a file. Name a folder with --output."],
    )


def test_a_failure_leaves_earlier_predictions_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with new_predictions(folder) as part:
        for name in ("boxes.csv", "predictions.json"):
            (part / name).write_text("old")
    with suppress(RuntimeError), new_predictions(folder) as part:
        (part / "boxes.csv").write_text("new")
        raise RuntimeError
    assert (folder / "boxes.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (tmp_path / ".out.part").mkdir()  # of a run that was killed
    (tmp_path / ".out.part/masks").mkdir()
    with new_predictions(folder) as part:
        assert list(part.iterdir()) == []
        (part / "images.csv").write_text("newer")
    with pytest.raises(InputError, match=r"no predictions\.json in it"):
        read_predictions(folder)


def test_linked_folders_are_entered(photos: Path, model: Path, isic, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a").symlink_to(photos / "a")
    (tmp_path / "links/loop").symlink_to("..")
    run = isic("predict", model, "links")
    assert run.status == 0
    images = pd.read_csv("predictions/images.csv", keep_default_na=False)
    assert list(images["image_id"]) == ["x.jpg", "x.png"]
    assert sum("1 link not followed" in line for line in run.said) == 1


def test_folders_of_the_system_are_no_match(photos: Path, monkeypatch) -> None:
    monkeypatch.chdir(photos)
    picture(photos / "@eaDir/x.jpg/thumb.jpg")
    for words in (["*"], ["**/*.jpg"], ["@eaDir", "a"], ["@eaDir/x.jpg", "a/x.jpg"]):
        assert not any("@eaDir" in str(file) for file in find_images(words).files), words
    assert find_images(["@eaDir", "a"]).left_out == [
        "1 files and folders of the system left out: @eaDir"
    ]
    assert len(find_images(["@eaDir"]).files) == 1  # named alone


def test_what_is_left_out_is_said_once(
    photos: Path, model: Path, isic, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(photos / "@eaDir/x.jpg/thumb.jpg")
    for name in ("a/1.jxl", "a/2.jxl", "b/3.CR2", "b/film.webm"):
        (photos / name).write_bytes(b"")
    (photos / "closed").mkdir()
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("/closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    run = isic("predict", model, "photos")
    assert run.status == 3
    images = pd.read_csv("predictions/images.csv", keep_default_na=False).set_index("image_id")
    problems = images[images["problem"] != ""]["problem"].to_dict()
    assert problems == {
        "closed": "cannot be opened (Permission denied)",
        "a/1.jxl": ".jxl is not read. Convert it to PNG or JPEG",
        "a/2.jxl": ".jxl is not read. Convert it to PNG or JPEG",
        "b/3.CR2": ".CR2 is not read. Convert it to PNG or JPEG",
        "caf\\xe9.jpg": "the name is not UTF-8. Rename it; `convmv` does it for whole folders",
    }
    assert len(images) == 5 + 4
    text = "\n".join(run.said)
    for words in (
        *("2 files that are no images by name", "2 folders with images left out", "@eaDir"),
        *("2 images, as a/1.jxl: .jxl is not read", "b/3.CR2: ", "closed: cannot be opened"),
        *("caf\\xe9.jpg: the name is not UTF-8", "5 could not be read"),
    ):
        assert text.count(words) == 1, words


def test_images_of_kinds_that_are_not_read_are_no_silence(model: Path, isic, tmp_path) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone/1.jxl").write_bytes(b"")
    run = isic("predict", model, "phone")
    assert run.status == 1
    assert "phone: no image in this folder. 1 file of kinds that are not read" in run.said[0]
    assert "Convert them to PNG or JPEG" in run.said[0]


def test_a_folder_whose_name_is_not_utf8(model: Path, isic, tmp_path: Path) -> None:
    name = os.fsdecode(b"dossier \xe9t\xe9")
    picture(tmp_path / "x.png").rename(tmp_path / "y.png")
    os.mkdir(name)
    (tmp_path / "y.png").rename(tmp_path / name / "x.png")
    (tmp_path / name / "bad.jpg").write_bytes(b"")
    run = isic("predict", model, name, os.fsdecode(b"nowhere \xe9"))
    assert run.status == 3
    found = read_predictions(tmp_path / "predictions")
    assert list(found.images["image_id"]) == ["x.png"]
    assert (found.root / "x.png").is_file()  # read back, whatever its bytes
    images = pd.read_csv("predictions/images.csv", keep_default_na=False).set_index("image_id")
    assert "dossier \\xe9t\\xe9/bad.jpg: cannot be read" in images.loc["bad.jpg", "problem"]
    assert images.loc["nowhere \\xe9", "problem"] == "no such file or folder"


def test_predictions_of_older_code_are_read(photos: Path, model: Path, isic, tmp_path) -> None:
    assert isic("predict", model, photos).status == 0
    path = tmp_path / "predictions/images.csv"
    pd.read_csv(path).drop(columns=["note", "overlay"]).to_csv(path, index=False)
    assert len(read_predictions(tmp_path / "predictions").images) == 4


def test_masks_of_large_images_are_read(photos: Path, model: Path, isic, monkeypatch) -> None:
    assert isic("predict", model, photos / "a").status == 0
    found = read_predictions("predictions")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 60)
    for image, _ in found.by_image():
        assert found.mask(image).shape == (40, 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match="cannot be read"):
        found.mask(next(found.by_image())[0])
