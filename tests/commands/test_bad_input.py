"""Bad input through the command line: what is done to a good run's files, and what is then said.

Each case ends with status 1 and one line that names the file or setting, and nothing is written.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from commands import status
from hostile import Evil, png
from networks import SMALL, fusion_network, pictures
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision import models

from isic.networks.files import save_network

INDEX = "index source OUT/index.csv OUT/truth.csv"
IMAGES = "images index.csv source OUT/images.h5 --resize 64"
FEATURES = "features index.csv images.h5 classifier.safetensors OUT/features.h5 --crop 64"
DIRECTIONS = "directions features.h5 OUT/directions.h5"
MASKS = "masks features.h5 directions.h5 OUT/masks.h5 --size 64"
PLAIN = f"recognizer index.csv images.h5 OUT/r.safetensors OUT/c.csv --backbone {SMALL} --crop 64"
PLAIN += " --epochs 1 --batch-size 4"
SEGMENTER = "segmenter index.csv images.h5 OUT/s.safetensors OUT/c.csv --masks masks.h5 "
SEGMENTER += f"--backbone {SMALL} --crop 64 --epochs 1"
CLASSIFIER = f"classifier index.csv images.h5 OUT/k.safetensors OUT/c.csv --backbone {SMALL}"
CLASSIFIER += " --crop 64 --epochs 1"
UNPACK = "unpack archive OUT/source"
MAPS = "maps index.csv images.h5 classifier.safetensors OUT/maps.h5 --crop 64"
SCORES = "scores index.csv truth.csv boxes.csv boxes.csv topk.csv maps.h5 OUT/s.json --model a"
SCORES += " --threshold-rule none --backbone b"
TRIVIAL = "trivial index.csv truth.csv topk.csv OUT/trivial.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index, images, a network, maps, directions, masks: the first stages."""
    folder = tmp_path_factory.mktemp("good")
    for name, image in zip("abcdef", pictures(6, 70), strict=True):
        path = folder / "source" / ("one" if name < "d" else "two") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    network = fusion_network(outputs=2)
    shape = {"kind": "fusion", "backbone": SMALL, "channels": 8, "outputs": 2}
    save_network(folder / "classifier.safetensors", network, shape, {})
    torch.save(models.get_model(SMALL, weights=None).state_dict(), folder / "weights.pth")
    before = Path.cwd()
    os.chdir(folder)
    for command in (INDEX, IMAGES, FEATURES, DIRECTIONS, MASKS):
        assert run(command.replace("OUT/", "")) == 0
    os.chdir(before)
    for record in folder.glob(".*.made.json"):  # else any change is met with the same line
        record.unlink()
    ids = pd.read_csv(folder / "index.csv")["image_id"]
    pd.DataFrame({"image_id": ids, "class1": "one", "p1": 1.0}).to_csv(
        folder / "topk.csv", index=False
    )
    return folder


def run(command: str) -> int:
    return status(*command.split())


def text(name: str, content: str | bytes) -> Callable[[], None]:
    data = content.encode() if isinstance(content, str) else content

    def do() -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)

    return do


def cut(name: str) -> Callable[[], None]:
    return lambda: Path(name).write_bytes(Path(name).read_bytes()[:-40])


def gone(name: str) -> Callable[[], None]:
    return lambda: shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()


def edited(name: str, old: str, new: str) -> Callable[[], None]:
    def do() -> None:
        before = Path(name).read_text(encoding="utf-8")
        assert old in before
        Path(name).write_text(before.replace(old, new), encoding="utf-8")

    return do


def broken(name: str, load: Callable, save: Callable) -> None:
    """Make one weight of a network NaN."""
    state = load(name)
    next(v for k, v in state.items() if k.endswith(".weight")).view(-1)[0] = float("nan")
    save(state, name)


def with_its_header(state: dict[str, torch.Tensor], name: str) -> None:
    with safe_open(name, framework="pt") as file:
        header = file.metadata()
    save_file(state, name, header)


def without(name: str, dataset: str) -> Callable[[], None]:
    def do() -> None:
        with h5py.File(name, "a") as file:
            del file[dataset]

    return do


def replaced(name: str, dataset: str, values: np.ndarray) -> Callable[[], None]:
    def do() -> None:
        with h5py.File(name, "a") as file:
            del file[dataset]
            file[dataset] = values

    return do


def similarity(*names: str) -> Callable[[], None]:
    def do() -> None:
        with h5py.File("similarity.h5", "w") as file:
            file["similarity"], file["class"] = np.eye(len(names)), np.array(names, object)

    return do


def boxes(content: str) -> Callable[[], None]:
    """Boxes to score, and what else that takes."""
    return lambda: [
        text("boxes.csv", content)(),
        text("truth.csv", "image_id,x0,y0,x1,y1\none/a.png,1,1,20,20\n")(),
        text("maps.h5", "")(),
    ]


def tar(*members: tarfile.TarInfo) -> Callable[[], None]:
    def do() -> None:
        with tarfile.open("archive", "w") as archive:
            for member in members:
                member.size = 1 if member.isreg() else 0
                archive.addfile(member, io.BytesIO(b"x") if member.isreg() else None)

    return do


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zipped(name: str) -> Callable[[], None]:
    def do() -> None:
        with zipfile.ZipFile("archive", "w") as archive:
            archive.writestr(name, b"x")

    return do


def nothing() -> None:
    """The command itself is what is wrong."""


BOX_LINES = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"
BOXES = f"{BOX_LINES}train,one,"
CASES: dict[str, tuple[Callable[[], None], str, str]] = {
    # Source folders
    "no folder": (gone("source"), INDEX, r"source"),
    "no images": (lambda: [gone("source")(), os.mkdir("source")], INDEX, r"source"),
    "one class": (gone("source/two"), INDEX, r"source: .*second class"),
    "a class of no image": (lambda: os.mkdir("source/three"), INDEX, r"three"),
    "unknown layout": (nothing, f"{INDEX} --type coco", r"--type coco: must be folder, cub or"),
    "cub, not there": (nothing, f"{INDEX} --type cub", r"source: no images\.txt"),
    "imagenet, not there": (nothing, f"{INDEX} --type imagenet", r"source"),
    "unreadable": (nothing, f"{INDEX} --unreadable maybe", r"unreadable: 'maybe'"),
    "boxes without a column": (text("source/boxes.csv", "class,file\n"), INDEX, r"boxes\.csv"),
    "a box of no number": (
        text("source/boxes.csv", f"{BOXES}a.png,70,70,x,1,20,20\n"), INDEX, r"boxes\.csv"),
    "a box outside": (
        text("source/boxes.csv", f"{BOXES}a.png,70,70,1,1,90,20\n"), INDEX,
        r"boxes\.csv, line 2: .*lies outside its image"),
    "an empty box": (
        text("source/boxes.csv", f"{BOXES}a.png,70,70,9,9,9,20\n"), INDEX, r"is empty"),
    "a box of no image": (
        text("source/boxes.csv", f"{BOXES}z.png,70,70,1,1,20,20\n"), INDEX, r"boxes\.csv"),
    "boxes not UTF-8": (text("source/boxes.csv", b"\xff\xfe\x00"), INDEX, r"boxes\.csv"),
    # Images
    "an empty image": (text("source/one/a.png", ""), INDEX, r"one/a\.png \(empty file\)"),
    "text for an image": (text("source/one/a.png", "hello"), INDEX, r"a\.png \(not an image\)"),
    "an image cut short": (cut("source/one/a.png"), INDEX, r"a\.png \("),
    "a named pipe": (
        lambda: [gone("source/one/a.png")(), os.mkfifo("source/one/a.png")], INDEX, r"a\.png"),
    "a bomb": (
        text("source/one/a.png", png(60_000, 60_000)), INDEX, r"a\.png \(more than \d+ pixels\)"),
    "an image that changed": (
        text("source/one/a.png", png(3, 3)), IMAGES, r"a\.png: (has changed|cannot be read)"),
    "an image that is gone": (gone("source/one/a.png"), IMAGES, r"a\.png: cannot be read"),
    # Index
    "no index": (gone("index.csv"), IMAGES, r"index\.csv"),
    "an empty index": (text("index.csv", ""), IMAGES, r"index\.csv: cannot be read"),
    "an index of nothing": (
        text("index.csv", "image_id,split,class,width,height,digest\n"), IMAGES, r"holds no image"),
    "an index without a column": (
        edited("index.csv", "digest", "sum"), IMAGES, r"index\.csv: .*no column digest"),
    "an index with a wrong split": (
        edited("index.csv", "train", "val"), IMAGES, r"split other than train and test"),
    "an index with a doubled image": (
        edited("index.csv", "one/a.png", "one/b.png"), IMAGES, r"names an image twice"),
    "a size of no number": (edited("index.csv", ",70,", ",x,"), IMAGES, r"index\.csv: cannot be"),
    "an index that is not UTF-8": (text("index.csv", b"\xff\xfeimage"), IMAGES, r"index\.csv"),
    "an image above the folder": (
        edited("index.csv", "one/a.png", "../a.png"), IMAGES, r"index\.csv: .*\.\./a\.png"),
    "an absolute image": (
        edited("index.csv", "one/a.png", "/etc/a.png"), IMAGES, r"index\.csv: .*/etc/a\.png"),
    # Artifacts
    "images cut short": (cut("images.h5"), FEATURES, r"images\.h5: cannot be read as HDF5"),
    "images of another program": (without("images.h5", "images"), FEATURES, r"images\.h5: holds"),
    "other images": (
        edited("index.csv", "one/a.png", "one/z.png"), FEATURES, r"images\.h5: its images are not"),
    "a network cut short": (cut("classifier.safetensors"), FEATURES, r"classifier\.safetensors"),
    "text for a network": (text("classifier.safetensors", "x"), FEATURES, r"classifier\.saf"),
    "more shards than classes": (nothing, f"{FEATURES} --shards 9 --shard 0", r"features\.shards"),
    "features without labels": (without("features.h5", "label"), DIRECTIONS, r"features\.h5"),
    "features cut short": (cut("features.h5"), DIRECTIONS, r"features\.h5: cannot be read as HDF5"),
    "unknown solver": (nothing, f"{DIRECTIONS} --solver svd", r"solver"),
    "directions of another file": (
        without("directions.h5", "direction"), MASKS, r"directions\.h5"),
    "thresholds the wrong way round": (
        nothing, f"{MASKS} --foreground 1 --background 2", r"masks\.background \(2\.0\) is above"),
    "features for directions": (
        nothing, MASKS.replace("directions.h5", "features.h5"), r"features\.h5: holds no dir"),
    "a label too few": (
        replaced("features.h5", "label", np.zeros(5, int)), DIRECTIONS,
        r"features\.h5: holds no label \(int: image\) that fits the rest"),
    "features of no number": (
        replaced("features.h5", "features", np.full((6, 8, 8, 8), np.nan, np.float16)), DIRECTIONS,
        r"features\.h5: feature maps that are not finite"),
    "numbers for names": (
        replaced("images.h5", "image_id", np.arange(6)), FEATURES, r"images\.h5: holds no image_i"),
    "a classifier for a segmenter": (
        nothing, f"{MAPS} --kind segmenter", r"classifier\.saf.* 2 outputs, not the one of a segm"),
    "a network of other classes": (
        edited("index.csv", "d.png,train,two", "d.png,train,new"), f"{MAPS} --kind cam",
        r"classifier\.safetensors: has 2 outputs, not 3, one for each class"),
    "directions of another network": (
        replaced("directions.h5", "direction", np.ones((2, 9))),
        f"{MAPS} --kind nmf --directions directions.h5", r"directions of 9 channels do not fit"),
    "similar classes of another set": (
        similarity("one", "three"), f"{CLASSIFIER} --similarity similarity.h5",
        r"similarity\.h5: its classes are not the index's"),
    "masks of nothing": (
        lambda: h5py.File("masks.h5", "a")["object_share"].write_direct(np.zeros(6)), SEGMENTER,
        r"masks\.h5: no pseudo-mask of any shard marks an object"),
    "masks of another set": (
        edited("index.csv", "one/a.png", "one/0.png"), SEGMENTER, r"images\.h5|have no mask"),
    # Weights and settings of trainings
    "no weights": (nothing, f"{PLAIN} --weights none.pth", r"none\.pth"),
    "text for weights": (text("w.pth", "x"), f"{PLAIN} --weights w.pth", r"weights: w\.pth is no"),
    "weights with code in them": (
        text("w.pth", pickle.dumps(Evil())), f"{PLAIN} --weights w.pth", r"weights: w\.pth is no"),
    "weights cut short": (cut("weights.pth"), f"{PLAIN} --weights weights.pth", r"weights\.pth is"),
    "weights of no number": (
        lambda: broken("weights.pth", torch.load, torch.save), f"{PLAIN} --weights weights.pth",
        r"weights\.pth is .*\.weight holds values that are not finite"),
    "a network of no number": (
        lambda: broken("classifier.safetensors", load_file, with_its_header), FEATURES,
        r"classifier\.safetensors: .*\.weight holds values that are not finite"),
    "weights of another network": (
        nothing, PLAIN.replace(SMALL, "resnet18") + " --weights weights.pth", r"weights\.pth is"),
    "unknown backbone": (nothing, PLAIN.replace(SMALL, "resnet5"), r"backbone: .*'resnet5'"),
    "unknown precision": (nothing, f"{PLAIN} --precision fp8", r"precision is float32 or bf16"),
    "a crop that is too large": (nothing, f"{PLAIN} --crop 96", r"crop \(96\) is larger"),
    "no similarity": (nothing, CLASSIFIER, r"λ > 0 needs --similarity"),
    # Archives
    "no archive": (nothing, UNPACK, r"archive: cannot be read \(No such file"),
    "text for an archive": (text("archive", "hello"), UNPACK, r"archive: cannot be unpacked"),
    "an archive cut short": (
        lambda: [tar(member("a"))(), text("archive", Path("archive").read_bytes()[:600])()],
        UNPACK, r"archive"),
    "a tar that points out": (tar(member("../out")), UNPACK, r"archive.*out"),
    "a tar with an absolute path": (tar(member("a", tarfile.SYMTYPE, "/etc")), UNPACK, r"archive"),
    "a tar with a link out": (tar(member("a", tarfile.SYMTYPE, "../..")), UNPACK, r"archive"),
    "a tar with a device": (tar(member("a", tarfile.CHRTYPE)), UNPACK, r"archive"),
    "a zip that points out": (zipped("../out"), UNPACK, r"archive.*out"),
    # Scores
    "no top-k": (gone("topk.csv"), TRIVIAL, r"topk\.csv"),
    "no truth": (gone("truth.csv"), TRIVIAL, r"truth\.csv"),
    "truth of no numbers": (
        text("truth.csv", "image_id,x0,y0,x1,y1\none/a.png,a,1,2,3\n"), TRIVIAL, r"truth\.csv"),
    "unknown protocol": (
        lambda: [
            edited("index.csv", "train,two", "test,two")(),
            text("truth.csv", "image_id,x0,y0,x1,y1\ntwo/d.png,1,1,20,20\n")(),
            text("topk.csv", "image_id,class1\n" + "".join(f"two/{i}.png,two\n" for i in "def"))(),
        ], f"{TRIVIAL} --protocols half", r"protocol `half` is unknown: use crop"),
    "no boxes": (boxes(""), SCORES, r"boxes\.csv: cannot be read"),
    "boxes without a corner": (
        boxes("image_id,x0,y0,x1,score\n"), SCORES, r"boxes\.csv: .*no column y1"),
    "a corner of no number": (
        boxes("image_id,x0,y0,x1,y1,score\none/a.png,1,2,x,4,1\n"), SCORES, r"boxes\.csv: .*'x'"),
    "a corner that is not finite": (
        boxes("image_id,x0,y0,x1,y1,score\none/a.png,1,nan,3,4,1\n"), SCORES,
        r"boxes\.csv: .*line 2: y0 is not a finite number"),
    "a box inside out": (
        boxes("image_id,x0,y0,x1,y1,score\none/a.png,9,2,3,4,1\n"), SCORES,
        r"boxes\.csv: the box of one/a\.png ends before it begins"),
    "a table of no JSON": (text("s.json", "{"), "table1 s.json OUT/t.csv", r"s\.json"),
    "a table of other JSON": (
        text("s.json", '{"protocols": {}}'), "table1 s.json OUT/t.csv", r"s\.json: no scores\.j"),
    "a table of another table's rows": (
        text("s.json", json.dumps(dict.fromkeys(("model", "backbone", "threshold"), "a") | {
            "source": "measured", "seed": 0, "images": 1, "protocols": {}})),
        "ablation s.json OUT/t.csv OUT/s.csv --table 2", r"Table 2 has no row a"),
    # What people use
    "predictions of nothing": (nothing, "export coco source OUT/a.json", r"source"),
    "unknown export": (nothing, "export csv source OUT/a.json", r"csv: is no format"),
    "a network for a model": (
        nothing, "predict classifier.safetensors source --output OUT/p", r"is one network"),
    "no image to predict": (nothing, "predict classifier.safetensors none.jpg", r"none\.jpg"),
    "a file that says nothing": (nothing, "show topk.csv", r"topk\.csv: does not say how"),
}  # fmt: skip


def test_there_are_enough_cases():
    assert len(CASES) >= 80


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(
    good: Path,
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    harm, command, message = CASES[case]
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    harm()
    assert run(command) == 1
    error = capsys.readouterr().err
    lines = [line for line in re.split("[\r\n]", error) if line.startswith("isic:")]
    assert len(lines) == 1, error
    assert re.search(message, lines[0]), lines[0]
    assert "Traceback" not in error
    written = [path for path in Path("OUT").rglob("*") if path.is_file()]
    assert {path.name for path in written} <= {"truth.csv", ".truth.csv.made.json"}
    assert not Path("UNPICKLED").exists()
