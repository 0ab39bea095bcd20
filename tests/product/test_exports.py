"""What `isic export` writes, read by programs that are not ours."""

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import supervision
import xmlschema
import yaml
from PIL import Image
from pycocotools.coco import COCO

from isic import InputError
from isic.product.exports import coco, voc, write_coco, write_voc, write_yolo
from isic.product.predict import save_mask
from isic.product.predictions import BOX_COLUMNS, IMAGE_COLUMNS, Predictions, read_predictions
from isic.storage.files import write_json
from isic.storage.tables import write_csv

VOC = Path(__file__).with_name("voc.xsd")
CLASSES = ["NA", "007", "a <b> & \"c\" 'd'", "Vögel, große"]


# Image, size, class, boxes (x0, y0, x1, y1), the last of them with a mask of its own shape.
IMAGES = {
    "a.jpg": ((60, 40), 0, [(5.25, 3.5, 30.75, 20.0), (40.0, 25.0, 60.0, 40.0)]),
    "b c.png": ((33, 50), 2, [(0.0, 0.0, 33.0, 50.0)]),
    "ü.jpg": ((20, 20), 3, []),
    "d.jpg": ((20, 10), 1, [(3.01, 2.99, 17.5, 9.99)]),
}


def make(root: Path, classes: list[str] = CLASSES, images: dict = IMAGES) -> Path:
    """A folder of predictions of these images, as `isic predict` leaves it."""
    folder = root / "predictions"
    rows, boxes = [], []
    for name, (size, label, found) in images.items():
        (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (9, 99, 199)).save(root / "photos" / name, "PNG")
        shared = {"image_id": name, "class": classes[label] if classes else ""}
        shared |= {"width": size[0], "height": size[1]}
        numbered = np.zeros(size[::-1], np.uint8)
        for number, box in enumerate(found, 1):
            x0, y0, x1, y1 = np.rint(box).astype(int)
            numbered[y0:y1, x0:x1] = number
            numbered[y0, x0] = 0  # no rectangle
        for number, box in enumerate(found, 1):
            own = {"object": number, "confidence": 0.5 / number, "probability": 0.9}
            own["area"] = int((numbered == number).sum())
            boxes.append(shared | own | dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)))
        mask = f"masks/{name}.png"
        save_mask(numbered, folder / mask)
        rows.append(shared | {"objects": len(found), "mask": mask})
    rows.append({"image_id": "broken.jpg", "problem": "cannot be read"})
    table = pd.DataFrame(rows, columns=IMAGE_COLUMNS)
    whole = ["width", "height", "objects"]
    write_csv(table.astype(dict.fromkeys(whole, "Int64")), folder / "images.csv")
    write_csv(pd.DataFrame(boxes, columns=BOX_COLUMNS), folder / "boxes.csv")
    write_json({"root": "../photos", "classes": classes}, folder / "predictions.json")
    return folder


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
        assert record["filename"] == image.image_id
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
    assert "<name>object</name>" in voc(*next(found.by_image()))


def test_images_that_would_share_an_annotation_are_named(tmp_path: Path) -> None:
    same = {"x/a.jpg": IMAGES["a.jpg"], "x/a.png": IMAGES["d.jpg"]}
    found = read_predictions(make(tmp_path, images=same))
    for write in (write_voc, write_yolo):
        with pytest.raises(InputError, match=r"photos/x/a\.png: another image differs only"):
            write(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()
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
    text = voc(*next(found.by_image()))
    assert xmlschema.XMLSchema(str(VOC)).to_dict(text)["object"][0]["name"] == "a?b"


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("predictions.json", "{", "cannot be read"),
        ("predictions.json", "[]", "cannot be read"),
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
