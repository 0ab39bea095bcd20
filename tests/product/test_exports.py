"""What `isic export` writes, read by programs that are not ours."""

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import supervision
import xmlschema
import yaml
from PIL import Image
from predicted import CLASSES, IMAGES, make
from pycocotools.coco import COCO

from isic import InputError
from isic.product.annotated_folders import voc_pairs, write_voc, write_yolo
from isic.product.exports import coco, voc, write_coco
from isic.product.predictions import BOX_COLUMNS, Predictions, read_predictions

VOC = Path(__file__).with_name("voc.xsd")


@pytest.fixture
def predictions(tmp_path: Path) -> Predictions:
    return read_predictions(make(tmp_path))


def corners(image: str) -> np.ndarray:
    return np.array(IMAGES[image][2]).reshape(-1, 4)


def test_tables_come_back_as_they_were(predictions: Predictions) -> None:
    assert list(predictions.images["image_id"]) == list(IMAGES)  # without the broken one
    assert set(predictions.images["class"]) == set(CLASSES)
    for image, boxes in predictions.by_image():
        assert np.array_equal(boxes[["x0", "y0", "x1", "y1"]], corners(image.image_id))
        assert predictions.mask(image).shape == (image.height, image.width)
    with (predictions.folder / "boxes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == BOX_COLUMNS
    assert [row["class"] for row in rows] == [CLASSES[0], CLASSES[0], CLASSES[2], CLASSES[1]]


def read_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_coco_is_read_by_pycocotools(predictions: Predictions, tmp_path: Path) -> None:
    write_coco(predictions, tmp_path / "coco.json")
    found = read_coco(tmp_path / "coco.json")
    images = {image["file_name"]: image for image in found.loadImgs(found.getImgIds())}
    assert set(images) == set(IMAGES)
    names = {category["id"]: category["name"] for category in found.loadCats(found.getCatIds())}
    assert list(names.values()) == CLASSES
    for image, boxes in predictions.by_image():
        record = images[image.image_id]
        assert (record["width"], record["height"]) == (image.width, image.height)
        annotations = found.loadAnns(found.getAnnIds(imgIds=[record["id"]]))
        assert len(annotations) == len(boxes)
        for annotation, box in zip(annotations, boxes.to_dict("records"), strict=True):
            x, y, width, height = annotation["bbox"]
            assert [x, y, x + width, y + height] == pytest.approx(
                [box["x0"], box["y0"], box["x1"], box["y1"]]
            )
            mask = predictions.mask(image) == box["object"]
            assert np.array_equal(found.annToMask(annotation).astype(bool), mask)
            assert annotation["area"] == mask.sum() == box["area"]
            assert names[annotation["category_id"]] == box["class"]
    with contextlib.redirect_stdout(io.StringIO()):
        results = found.loadRes(coco(predictions)["annotations"])
    assert len(results.getAnnIds()) == 4
    assert all(0 < a["score"] <= 1 for a in results.loadAnns(results.getAnnIds()))


def test_coco_without_masks_has_boxes_alone(predictions: Predictions, tmp_path: Path) -> None:
    write_coco(predictions, tmp_path / "coco.json", masks=False)
    for annotation in json.loads((tmp_path / "coco.json").read_text())["annotations"]:
        assert "segmentation" not in annotation
        assert annotation["area"] == pytest.approx(np.prod(annotation["bbox"][2:]), abs=0.01)


def check_with_supervision(data: supervision.DetectionDataset, within: float) -> None:
    seen = {Path(path).name: found for path, _, found in data}
    assert set(seen) == set(IMAGES)
    for name, found in seen.items():
        assert np.abs(found.xyxy - corners(name)).max(initial=0) <= within, name
        assert {data.classes[c] for c in found.class_id} <= {CLASSES[IMAGES[name][1]]}


def test_coco_is_read_by_supervision(predictions: Predictions, tmp_path: Path) -> None:
    write_coco(predictions, tmp_path / "coco.json")
    photos, path = str(tmp_path / "photos"), str(tmp_path / "coco.json")
    check_with_supervision(supervision.DetectionDataset.from_coco(photos, path), 0.01)


def test_yolo_is_read_by_supervision(predictions: Predictions, tmp_path: Path) -> None:
    folder = tmp_path / "yolo"
    write_yolo(predictions, folder)
    data = supervision.DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml")
    )
    check_with_supervision(data, 0.01)
    settings = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    assert list(settings["names"].values()) == CLASSES
    assert (Path(settings["path"]) / settings["train"]).is_dir()
    assert (folder / "labels/ü.txt").read_text() == ""
    for name in IMAGES:
        assert (folder / "images" / name).resolve() == tmp_path / "photos" / name


def test_yolo_knows_the_splits(tmp_path: Path) -> None:
    splits = {"train/x/a.jpg": IMAGES["a.jpg"], "test/x/a.jpg": IMAGES["d.jpg"]}
    write_yolo(read_predictions(make(tmp_path, images=splits)), tmp_path / "yolo")
    settings = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert (settings["train"], settings["val"]) == ("images/train", "images/test")
    assert (tmp_path / "yolo/labels/test/x/a.txt").is_file()


def test_voc_keeps_its_schema(predictions: Predictions, tmp_path: Path) -> None:
    write_voc(predictions, tmp_path / "voc")
    schema = xmlschema.XMLSchema(str(VOC))
    for image, boxes in predictions.by_image():
        path = tmp_path / "voc/Annotations" / Path(image.image_id).with_suffix(".xml")
        record = schema.to_dict(str(path))
        assert record["filename"] == Path(image.image_id).with_suffix(".jpg").name
        with Image.open(tmp_path / "voc/JPEGImages" / record["filename"]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (image.width, image.height))
        assert record["size"] == {"width": image.width, "height": image.height, "depth": 3}
        for item, box in zip(record.get("object", []), boxes.to_dict("records"), strict=True):
            assert item["name"] == box["class"]
            pixels = item["bndbox"]
            assert 1 <= pixels["xmin"] <= box["x0"] + 1
            assert box["x1"] <= pixels["xmax"] <= image.width
            assert pixels["ymin"] - 1 <= box["y0"] < pixels["ymin"]
            assert pixels["ymax"] - 1 < box["y1"] <= pixels["ymax"] <= image.height


def test_voc_is_read_by_supervision(predictions: Predictions, tmp_path: Path) -> None:
    write_voc(predictions, tmp_path / "voc")
    photos, folder = str(tmp_path / "photos"), str(tmp_path / "voc/Annotations")
    # It takes 1 from xmin and ymin, and so undoes VOC's way of counting; the rest is rounding.
    check_with_supervision(supervision.DetectionDataset.from_pascal_voc(photos, folder), 0.999)


def test_without_a_class_all_are_objects(tmp_path: Path) -> None:
    found = read_predictions(make(tmp_path, classes=[]))
    assert coco(found)["categories"] == [{"id": 1, "name": "object"}]
    write_yolo(found, tmp_path / "yolo")
    assert (tmp_path / "yolo/labels/d.txt").read_text().startswith("0 ")
    assert "<name>object</name>" in voc(*next(found.by_image()), "a.jpg")


def test_images_that_would_share_an_annotation_get_one_each(tmp_path: Path) -> None:
    same = {"x/a.jpg": IMAGES["a.jpg"], "x/a.png": IMAGES["d.jpg"], "x/a_png.jpg": IMAGES["ü.jpg"]}
    found = read_predictions(make(tmp_path, images=same))
    (line,) = write_yolo(found, tmp_path / "yolo")
    assert line == "2 of 2 images have another name there: 'x/a' is 'x/a_png'"
    lines = {path.stem: path.read_text() for path in tmp_path.glob("yolo/labels/x/*.txt")}
    assert {name: text.count("\n") for name, text in lines.items()} == {
        "a": 2, "a_png": 1, "a_png_jpg": 0
    }  # fmt: skip
    write_voc(found, tmp_path / "voc")
    assert len(voc_pairs(tmp_path / "voc")) == 3
    assert len(coco(found)["annotations"]) == 3


@pytest.mark.parametrize("write", [write_voc, write_yolo])
def test_an_image_without_a_suffix_is_annotated(write, tmp_path: Path) -> None:
    write(read_predictions(make(tmp_path, images={"a": IMAGES["a.jpg"]})), tmp_path / "out")
    assert len([*tmp_path.glob("out/Annotations/a.xml"), *tmp_path.glob("out/labels/a.txt")]) == 1


@pytest.mark.parametrize("write", [write_voc, write_yolo])
def test_nothing_that_is_there_is_touched(write, predictions: Predictions, tmp_path: Path) -> None:
    """The images may lie in OUTPUT/images, as YOLO's often do."""
    (tmp_path / "photos").rename(tmp_path / "images")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*g")}
    with pytest.raises(InputError, match="holds something already"):
        write(predictions, tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="holds something already"):
        write(predictions, tmp_path / "file")
    with pytest.raises(InputError, match=r"file.*there is a file of that name"):
        write(predictions, tmp_path / "file/out")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*g")} == before
    assert (tmp_path / "file").read_text() == "mine"


def test_coco_does_not_take_the_place_of_a_folder(predictions: Predictions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"photos: is a folder\. Name a file"):
        write_coco(predictions, tmp_path / "photos")


def test_names_that_xml_cannot_hold(tmp_path: Path) -> None:
    found = read_predictions(make(tmp_path, classes=["a\x0bb", "\x1b", "c", "d"]))
    text = voc(*next(found.by_image()), "x\ry.jpg")
    record = xmlschema.XMLSchema(str(VOC)).to_dict(text)
    assert record["object"][0]["name"] == "a%0Bb"
    assert record["filename"] == "x\ry.jpg"
    assert write_voc(found, tmp_path / "voc") == [
        "2 of 4 classes have another name there: 'a\\x0bb' is 'a%0Bb'"
    ]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("predictions.json", "{", "cannot be read"),
        ("predictions.json", "[]", "cannot be read"),
        ("predictions.json", '{"format": 2}', r"made by a newer isic \(format 2; .*Update isic"),
        ("predictions.json", None, "no predictions.json in it"),
        ("boxes.csv", None, "no boxes.csv in it"),
        ("images.csv", "image_id\na.jpg\n", "cannot be read"),
        ("boxes.csv", "a,b\n1,2\n", "cannot be read"),
        ("boxes.csv", '"', "cannot be read"),
        ("predictions.json", '{"root": ".", "classes": ["x"]}', "class .* is not in predictions"),
    ],
)
def test_predictions_that_are_damaged_are_named(
    name: str, text: str | None, word: str, tmp_path: Path
) -> None:
    folder = make(tmp_path)
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=word) as caught:
        read_predictions(folder)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


def test_masks_that_are_missing_are_named(predictions: Predictions, tmp_path: Path) -> None:
    (predictions.folder / "masks/d.jpg.png").unlink()
    with pytest.raises(InputError, match=r"masks/d\.jpg\.png: cannot be read"):
        write_coco(predictions, tmp_path / "coco.json")
    Image.new("L", (5, 5)).save(predictions.folder / "masks/d.jpg.png")
    with pytest.raises(InputError, match=r"masks/d\.jpg\.png: .*it is not 20 x 10 pixels"):
        write_coco(predictions, tmp_path / "coco.json")
    predictions.images["mask"] = ""
    with pytest.raises(InputError, match="has no masks"):
        write_coco(predictions, tmp_path / "coco.json")
    assert not (tmp_path / "coco.json").exists()


def test_the_command(tmp_path: Path, model: Path, isic) -> None:
    folder = make(tmp_path)
    for kind, name in (("coco", "a.json"), ("voc", "voc"), ("yolo", "yolo")):
        done = isic("export", kind, folder, tmp_path / name)
        assert done.status == 0
        assert f"written: {tmp_path / name}, 4 images, 4 objects" in "\n".join(done.output)
        assert (tmp_path / name).exists()
    for words, message in (
        (("coco", model, "x"), str(model)),
        (("coco", tmp_path, "x"), "no predictions.json in it"),
        (("onnx", folder, "x"), str(folder)),
    ):
        done = isic("export", *words)
        assert done.status == 1
        assert message in done.only_line
