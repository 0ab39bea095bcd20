"""Exports as the tools of their formats look them up, whatever folders and images are called."""

import glob
import io
import json
import os
from pathlib import Path

import pytest
import yaml
from odd_images import READ, saved, turned_jpeg
from PIL import Image, ImageOps
from predicted import CLASSES, make
from torchvision.datasets import VOCDetection

from isic import InputError
from isic.data.image import decode
from isic.product.annotated_folders import write_voc, write_yolo
from isic.product.exports import write_coco
from isic.product.predictions import Predictions, read_predictions

BOX = [(1.0, 2.0, 15.5, 9.0)]
# Of what Ultralytics 8.4 reads (`data/utils.py`); `glob` and `rsplit` below are as it has them.
FORMATS = {"bmp", "dng", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp", "pfm", "heic"}


def yolo_labels(folder: Path) -> dict[str, str]:
    """What a YOLO trainer finds: the images' own files and the text of their labels."""
    data = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    labels = {}
    for split in {data["train"], data["val"]}:
        base = (Path(data["path"]) / split).resolve()
        found = glob.glob(str(Path(glob.escape(str(base))) / "**" / "*.*"), recursive=True)
        for image in found:
            if image.rpartition(".")[-1].lower() in FORMATS:
                label = "/labels/".join(image.rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt"
                labels[image] = Path(label).read_text(encoding="utf-8")
    return labels


def predicted(root: Path, names: list[str]) -> Predictions:
    return read_predictions(make(root, images={name: ((20, 10), 1, BOX) for name in names}))


NAMES = {
    "tiny imagenet": ["n01/images/0.jpg", "n01/images/1.jpg", "n02/images/0.jpg"],
    "a class called images": ["images/0.jpg", "labels/0.jpg", "images_/0.jpg"],
    "split called images": ["train/images/0.jpg", "test/labels/0.jpg"],
    "equal names": ["a/0001.jpg", "b/0001.jpg", "a/0001.png", "a/0001.JPG"],
    "odd names": ["a b/c, d.jpg", "line\nbreak.jpg", "return\rhere.jpg", " x .jpg", "[1]*?.jpg"],
    "hidden": [".hidden.jpg", ".folder/a.jpg", "a.b.c.jpg"],
    "quotes": ['it\'s "x".jpg', "$HOME.jpg", "#1 100%.jpg", "写真.jpg", "a./b.jpg"],
    "no suffix": ["a", "b.", "c.d/e"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("place", ["yolo", "images/yolo", "labels/images", "[1] a*"])
def test_yolo_trainers_find_every_label(tmp_path: Path, names: list[str], place: str) -> None:
    write_yolo(predicted(tmp_path, names), tmp_path / place)
    labels = yolo_labels(tmp_path / place)
    assert len(labels) == len(names)
    assert set(labels.values()) == {"1 0.412500 0.550000 0.725000 0.700000\n"}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_voc_tools_find_every_image_and_annotation(tmp_path: Path, names: list[str]) -> None:
    write_voc(predicted(tmp_path, names), tmp_path / "VOCdevkit/VOC2012")
    lists = {path.stem: path for path in (tmp_path / "VOCdevkit/VOC2012").glob("ImageSets/*/*.txt")}
    assert set(lists) in ({"trainval"}, {"train", "trainval", "test"})
    found = 0
    for name in set(lists) - {"train"}:
        lists[name].rename(lists[name].with_name("val.txt"))  # torchvision has no test of 2012
        for image, target in VOCDetection(str(tmp_path), "2012", "val"):
            found += 1
            assert (image.size, image.format) == ((20, 10), None)
            (item,) = target["annotation"]["object"]
            assert item["name"] == CLASSES[1]
            assert item["bndbox"] == {"xmin": "2", "ymin": "3", "xmax": "16", "ymax": "9"}
    assert found == len(names)


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_coco_files_lie_below_the_images_folder(tmp_path: Path, names: list[str]) -> None:
    found = predicted(tmp_path, names)
    assert write_coco(found, tmp_path / "coco.json") == [f"file_name is relative to {found.root}"]
    images = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))["images"]
    assert all((tmp_path / "photos" / image["file_name"]).is_file() for image in images)


@pytest.mark.parametrize("write", [write_voc, write_yolo])
def test_what_a_tool_does_not_read_as_it_is_becomes_an_upright_copy(write, tmp_path: Path) -> None:
    names = {f"{name}": data() for name, data in READ.items() if not name.startswith("large")}
    names["6.jpg"] = turned_jpeg(6)
    sizes = {name: decode(data).size for name, data in names.items()}
    folder = make(tmp_path, images={name: (size, 0, []) for name, size in sizes.items()})
    for name, data in names.items():
        (tmp_path / "photos" / name).write_bytes(data)
    write(read_predictions(folder), tmp_path / "out")
    files = [*tmp_path.glob("out/images/**/*.*"), *tmp_path.glob("out/JPEGImages/**/*.*")]
    assert len(files) == len(names)
    formats = set()
    for file in files:
        with Image.open(file) as image:
            formats.add(image.format)
            assert image.size == ImageOps.exif_transpose(image).size  # nobody can see it turned
    assert formats <= {"JPEG", "PNG", "BMP", "WEBP", "TIFF"}
    assert formats == {"JPEG"} or write is write_yolo


@pytest.mark.parametrize("write", [write_voc, write_yolo])
def test_images_that_are_gone_or_changed_are_named(write, tmp_path: Path) -> None:
    found = predicted(tmp_path, ["a/0.jpg", "b/0.jpg"])
    (tmp_path / "photos/a/0.jpg").write_bytes(saved(Image.new("RGB", (10, 20)), "JPEG"))
    with pytest.raises(InputError, match=r"photos/a/0\.jpg: has changed since it was predicted"):
        write(found, tmp_path / "out")
    (tmp_path / "photos/a/0.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"photos/a/0\.jpg: cannot be read any more"):
        write(found, tmp_path / "out")
    (tmp_path / "photos/a/0.jpg").unlink()
    with pytest.raises(InputError, match=r"photos: 1 images \(a/0\.jpg\) not there any more"):
        write(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (line,) = write_coco(found, tmp_path / "coco.json")
    assert line == f"1 images (a/0.jpg) not in {tmp_path}/photos, where file_name begins"


def test_without_links_images_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("Operation not supported")

    found = predicted(tmp_path, ["a/0.png"])
    monkeypatch.setattr(Path, "symlink_to", refused)
    write_yolo(found, tmp_path / "out")
    data = (tmp_path / "out/images/a/0.png").read_bytes()
    assert data == (tmp_path / "photos/a/0.png").read_bytes()
    assert not os.path.islink(tmp_path / "out/images/a/0.png")
    assert Image.open(io.BytesIO(data)).size == (20, 10)
