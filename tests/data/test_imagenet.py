"""ImageNet in its usual layouts."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from scipy.io import savemat

from isic.data.image import decode, orientation, turned
from isic.data.index import classes
from isic.data.sources.imagenet import GROUND_TRUTH, index_imagenet
from isic.errors import InputError

TENCH, GOLDFISH = "n01440764", "n01443537"
VAL = {  # of each image: class and boxes
    "ILSVRC2012_val_00000001": (GOLDFISH, [(1, 2, 10, 8)]),
    "ILSVRC2012_val_00000002": (TENCH, [(0, 0, 12, 9), (3, 3, 6, 7)]),
    "ILSVRC2012_val_00000003": (TENCH, [(2, 1, 5, 4)]),
}


def picture(path: Path, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), (9, 8, 7)).save(path, "JPEG", **options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for wnid in (GOLDFISH, TENCH):
        for i in (10026, 1):
            picture(tmp_path / f"train/{wnid}/{wnid}_{i}.JPEG")
    for stem in VAL:
        picture(tmp_path / f"val/{stem}.JPEG")
    return tmp_path


def solution(root: Path) -> None:
    """Kaggle's table of boxes."""
    lines = ["ImageId,PredictionString"]
    for stem, (wnid, boxes) in reversed(VAL.items()):
        words = " ".join(f"{wnid} {' '.join(map(str, box))}" for box in boxes)
        lines.append(f"{stem},{words} ")
    (root / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")


def xml(folder: Path) -> None:
    """A file an image, as ILSVRC2012_bbox_val_v3.tgz has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (wnid, boxes) in VAL.items():
        objects = "".join(
            f"<object><name>{wnid}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d in boxes
        )
        (folder / f"{stem}.xml").write_text(f"<annotation>{objects}</annotation>")


def devkit(root: Path) -> None:
    """The development kit's numbers and names; group 3 stands above the two classes."""
    data = root / "ILSVRC2012_devkit_t12/data"
    data.mkdir(parents=True)
    kinds = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("words", "O"), ("num_children", "f8")]
    rows = [
        (1, GOLDFISH, "goldfish, Carassius auratus", 0),
        (2, TENCH, "tench, Tinca tinca", 0),
        (3, "n00000001", "fish", 2),
    ]
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=kinds)})
    numbers = {GOLDFISH: 1, TENCH: 2}
    lines = "".join(f"{numbers[wnid]}\n" for wnid, _ in VAL.values())
    (data / GROUND_TRUTH).write_text(lines)


def by_folder(root: Path) -> None:
    for stem, (wnid, _) in VAL.items():
        (root / "val" / wnid).mkdir(exist_ok=True)
        (root / f"val/{stem}.JPEG").rename(root / f"val/{wnid}/{stem}.JPEG")


BOXES: dict[str, Callable[[Path], None]] = {
    "csv": solution,
    "xml": lambda root: xml(root / "bbox/val"),
    "kaggle": lambda root: xml(root / "ILSVRC/Annotations/CLS-LOC/val"),
    "beside": lambda root: xml(root / "val"),
}


@pytest.mark.parametrize("way", BOXES)
@pytest.mark.parametrize("folders", [False, True])
def test_layouts(root: Path, way: str, folders: bool) -> None:
    if way == "kaggle":
        base = root / "ILSVRC/Data/CLS-LOC"
        base.mkdir(parents=True)
        for split in ("train", "val"):
            shutil.move(root / split, base / split)
        if folders:
            by_folder(base)
    elif folders:
        by_folder(root)
    BOXES[way](root)
    index, truth, skipped = index_imagenet(root)
    assert skipped == []
    assert [Path(i).stem for i in index["image_id"]] == [
        f"{TENCH}_1",
        f"{TENCH}_10026",
        f"{GOLDFISH}_1",
        f"{GOLDFISH}_10026",
        "ILSVRC2012_val_00000002",
        "ILSVRC2012_val_00000003",
        "ILSVRC2012_val_00000001",
    ]
    assert index["split"].tolist() == ["train"] * 4 + ["test"] * 3
    assert classes(index) == [TENCH, GOLDFISH]
    assert all((root / image_id).is_file() for image_id in index["image_id"])
    expected = [(stem, box) for stem in sorted(VAL) for box in VAL[stem][1]]
    expected = expected[1:] + expected[:1]
    found = [(Path(row[0]).stem, tuple(row[1:])) for row in truth.itertuples(index=False)]
    assert found == expected


def test_without_boxes_the_devkit_tells_the_classes(root: Path) -> None:
    with pytest.raises(InputError, match=r"val_00000001\.JPEG: has no class \(3 such images\)"):
        index_imagenet(root)
    devkit(root)
    index, truth, _ = index_imagenet(root)
    assert classes(index) == [f"{TENCH} tench", f"{GOLDFISH} goldfish"]
    tested = index[index["split"] == "test"]
    told = {Path(i).stem: c.split()[0] for i, c in zip(tested.image_id, tested["class"])}  # noqa: B905
    assert told == {stem: wnid for stem, (wnid, _) in VAL.items()}
    assert len(truth) == 0


def test_names_of_the_mapping(root: Path) -> None:
    solution(root)
    (root / "LOC_synset_mapping.txt").write_text(f"{TENCH} tench, Tinca tinca\n{GOLDFISH} gold\n")
    assert classes(index_imagenet(root)[0]) == [f"{TENCH} tench", f"{GOLDFISH} gold"]


def test_a_box_turns_with_its_image(root: Path) -> None:
    solution(root)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = root / "val/ILSVRC2012_val_00000001.JPEG"
    picture(path, exif=exif)
    index, truth, _ = index_imagenet(root)
    assert index.iloc[-1][["width", "height"]].tolist() == [9, 12]
    assert truth.iloc[-1, 1:].tolist() == [1, 1, 7, 10]  # (1, 2, 10, 8), a quarter clockwise


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned(tmp_path: Path, turn: int) -> None:
    pixels = np.zeros((9, 12, 3), np.uint8)
    pixels[2:8, 1:4] = 255  # x0 1, y0 2, x1 4, y1 8
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path, exif=exif)
    assert orientation(path) == turn
    upright = decode(path.read_bytes())
    y, x = np.nonzero(np.asarray(upright)[..., 0])
    box = turned(np.array([[1.0, 2, 4, 8]]), upright.size, turn)
    assert box.tolist() == [[x.min(), y.min(), x.max() + 1, y.max() + 1]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: shutil.rmtree(r / "train"), "has no folder train"),
        (lambda r: [p.rename(r / "train" / p.name[5:]) for p in (r / "train").iterdir()], "n0144"),
        (lambda r: shutil.rmtree(r / f"train/{TENCH}"), f"is of class {TENCH}, which has no"),
        (lambda r: picture(r / "val/ILSVRC2012_val_00000004.JPEG"), r"04\.JPEG: has no class \(1"),
        (lambda r: (r / "LOC_val_solution.csv").write_text("a,b\n1,2\n"), "csv, line 2: expected"),
        (
            lambda r: (r / "LOC_val_solution.csv").write_bytes(b"ImageId\xff\n"),
            "LOC_val_solution.csv: cannot be read",
        ),
        (
            lambda r: (r / "LOC_val_solution.csv").write_text(
                "ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 1 2 3\n"
            ),
            "csv, line 2: expected",
        ),
        (lambda r: (xml(r / "val"), (r / "val/x.xml").write_text("<a")), None),
        (lambda r: (r / "val/ILSVRC2012_val_00000002.JPEG").write_bytes(b"x"), "cannot be read"),
    ],
)
def test_bad_input(root: Path, spoil: Callable[[Path], object], message: str | None) -> None:
    solution(root)
    spoil(root)
    if message is None:  # the CSV is there: XML files are not looked at
        index_imagenet(root)
        (root / "LOC_val_solution.csv").unlink()
        message = r"x\.xml: is no annotation"
    with pytest.raises(InputError, match=message):
        index_imagenet(root)


@pytest.mark.parametrize("lacking", ["name", "bndbox/ymax"])
def test_an_annotation_says_what_it_lacks(root: Path, lacking: str) -> None:
    xml(root / "val")
    path = next((root / "val").glob("*.xml"))
    tag = lacking.rpartition("/")[2]
    path.write_text(re.sub(f"<{tag}>.*?</{tag}>", "", path.read_text(), count=1))
    with pytest.raises(InputError, match=rf"{path.name}: is no annotation .*\(no {lacking}\)"):
        index_imagenet(root)


def test_a_devkit_of_another_number_of_images(root: Path) -> None:
    devkit(root)
    (root / "val/ILSVRC2012_val_00000002.JPEG").unlink()
    with pytest.raises(InputError, match="has 3 lines for 2 images"):
        index_imagenet(root)
    (root / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(b"no")
    with pytest.raises(InputError, match=r"meta\.mat: cannot be read"):
        index_imagenet(root)
