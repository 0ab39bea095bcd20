"""Bad input through the command line: what is done to a good run's files, and what is then said.

Each case ends with status 1 (2 where the command's own words are wrong) and one line that names the
file or setting, and nothing is written.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from harms import (
    TO_FILES,
    Harm,
    cut,
    damaged,
    each,
    edited,
    gone,
    not_a_number,
    nothing,
    replaced,
    similarity,
    tar,
    text,
    zipped,
)
from hostile import Evil, png
from networks import SMALL
from stages import (
    CLASSIFIER,
    DIRECTIONS,
    EXPORT,
    FEATURES,
    IMAGES,
    INDEX,
    MAPS,
    MASKS,
    PREDICT,
    RECOGNIZER,
    SCORES,
    SEGMENTER,
    SIMILARITY,
    TABLE_1,
    TABLE_2,
    TRIVIAL,
    UNPACK,
)

TRUTH = "image_id,x0,y0,x1,y1\n"
BOXES = "image_id,x0,y0,x1,y1,score\n"


def box(line: str) -> Harm:
    """A box in the source's own table."""
    columns = "split,class,file,width,height,xmin,ymin,xmax,ymax"
    return text("source/boxes.csv", f"{columns}\ntrain,one,{line}\n")


def boxes(content: str) -> Harm:
    """Boxes to score, and what else that takes."""
    truth = text("truth.csv", f"{TRUTH}one/a.png,1,1,20,20\n")
    return each(text("boxes.csv", content), truth, text("maps.h5", ""))


def no_masks() -> None:
    with h5py.File("masks.h5", "a") as file:
        file["object_share"][:] = 0


CASES: dict[str, tuple[Harm, str, str]] = {
    # Source folders
    "no folder": (gone("source"), INDEX, r"source"),
    "no images": (each(gone("source"), lambda: os.mkdir("source")), INDEX, r"source"),
    "one class": (gone("source/two"), INDEX, r"source: .*second class"),
    "a class of no image": (lambda: os.mkdir("source/three"), INDEX, r"three"),
    "cub, not there": (nothing, f"{INDEX} --type cub", r"source: no images\.txt"),
    "imagenet, not there": (nothing, f"{INDEX} --type imagenet", r"source"),
    "boxes without a column": (text("source/boxes.csv", "class,file\n"), INDEX, r"boxes\.csv"),
    "a box of no number": (box("a.png,70,70,x,1,20,20"), INDEX, r"boxes\.csv"),
    "a box outside": (
        box("a.png,70,70,1,1,90,20"), INDEX, r"boxes\.csv: the box lies outside its image"),
    "an empty box": (box("a.png,70,70,9,9,9,20"), INDEX, r"is empty"),
    "a box of no image": (box("z.png,70,70,1,1,20,20"), INDEX, r"boxes\.csv"),
    "boxes not UTF-8": (text("source/boxes.csv", b"\xff\xfe\x00"), INDEX, r"boxes\.csv"),
    # Images
    "an empty image": (text("source/one/a.png", ""), INDEX, r"one/a\.png \(empty file\)"),
    "text for an image": (text("source/one/a.png", "hello"), INDEX, r"a\.png \(not an image\)"),
    "an image cut short": (cut("source/one/a.png"), INDEX, r"a\.png \("),
    "a named pipe": (
        each(gone("source/one/a.png"), lambda: os.mkfifo("source/one/a.png")), INDEX, r"a\.png"),
    "a bomb": (
        text("source/one/a.png", png(60_000, 60_000)), INDEX, r"more than \d+ million pixels"),
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
        edited("index.csv", "train", "val"), IMAGES, r"split is neither train nor test"),
    "an index with a doubled image": (
        edited("index.csv", "one/a.png", "one/b.png"), IMAGES, r"named twice \(line \d+\)"),
    "a size of no number": (edited("index.csv", ",70,", ",x,"), IMAGES, r"index\.csv: cannot be"),
    "an index that is not UTF-8": (text("index.csv", b"\xff\xfeimage"), IMAGES, r"index\.csv"),
    "an image above the folder": (
        edited("index.csv", "one/a.png", "../a.png"), IMAGES, r"index\.csv: .*\.\./a\.png"),
    "an absolute image": (
        edited("index.csv", "one/a.png", "/etc/a.png"), IMAGES, r"index\.csv: .*/etc/a\.png"),
    # Artifacts
    "images cut short": (cut("images.h5"), FEATURES, r"images\.h5: cannot be read as HDF5"),
    "images of another program": (
        replaced("images.h5", "images", None), FEATURES, r"images\.h5: holds"),
    "other images": (
        edited("index.csv", "one/a.png", "one/z.png"), FEATURES, r"images\.h5: its images are not"),
    "a network cut short": (cut("classifier.safetensors"), FEATURES, r"classifier\.safetensors"),
    "text for a network": (text("classifier.safetensors", "x"), FEATURES, r"classifier\.saf"),
    "more shards than classes": (nothing, f"{FEATURES} --shards 9 --shard 0", r"features\.shards"),
    "features without labels": (
        replaced("features.h5", "label", None), DIRECTIONS, r"features\.h5"),
    "features cut short": (cut("features.h5"), DIRECTIONS, r"features\.h5: cannot be read as HDF5"),
    "no directions": (nothing, MASKS.replace("directions.h5", "none.h5", 1), r"none\.h5"),
    "directions of another file": (
        replaced("directions.h5", "direction", None), MASKS, r"directions\.h5"),
    "thresholds the wrong way round": (
        nothing, f"{MASKS} --background 0.9", r"masks\.background \(0\.9\) is above"),
    "features for directions": (
        nothing, MASKS.replace("directions.h5", "features.h5", 1), r"features\.h5: holds no dir"),
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
    "NMF without directions": (nothing, f"{MAPS} --kind nmf", r"--directions"),
    "directions of another network": (
        replaced("directions.h5", "direction", np.ones((2, 9))),
        f"{MAPS} --kind nmf --directions directions.h5", r"directions of 9 channels do not fit"),
    "similar classes of another set": (
        similarity("one", "three"), f"{CLASSIFIER} --similarity similarity.h5",
        r"similarity\.h5: its classes are not the index's"),
    "images for a recognizer": (
        nothing, "topk index.csv images.h5 images.h5 OUT/topk.csv --crop 64", r"images\.h5"),
    "masks of nothing": (
        no_masks, SEGMENTER, r"masks\.h5: no pseudo-mask of any shard marks an object"),
    "masks of another set": (
        edited("index.csv", "one/a.png", "one/0.png"), SEGMENTER, r"images\.h5|have no mask"),
    # Weights and settings of trainings
    "no weights": (nothing, f"{RECOGNIZER} --weights none.pth", r"none\.pth"),
    "text for weights": (text("w.pth", "x"), f"{RECOGNIZER} --weights w.pth", r"s: w\.pth is no"),
    "weights with code in them": (
        text("w.pth", pickle.dumps(Evil())), f"{RECOGNIZER} --weights w.pth", r"s: w\.pth is no"),
    "weights cut short": (
        cut("weights.pth"), f"{RECOGNIZER} --weights weights.pth", r"weights\.pth is"),
    "weights of no number": (
        not_a_number("weights.pth"), f"{RECOGNIZER} --weights weights.pth",
        r"weights\.pth is .*\.weight holds values that are not finite"),
    "a network of no number": (
        not_a_number("classifier.safetensors"), FEATURES,
        r"classifier\.safetensors: .*\.weight holds values that are not finite"),
    "weights of another network": (
        nothing, RECOGNIZER.replace(SMALL, "resnet18") + " --weights weights.pth",
        r"weights\.pth is"),
    "unknown backbone": (nothing, RECOGNIZER.replace(SMALL, "resnet5"), r"backbone: .*'resnet5'"),
    "a crop that is too large": (nothing, f"{RECOGNIZER} --crop 96", r"crop \(96\) is larger"),
    "a crop too large for maps": (nothing, f"{MAPS} --kind cam --crop 96", r"crop \(96\) is larg"),
    "no similarity": (nothing, CLASSIFIER, r"λ > 0 needs --similarity"),
    "nothing to be similar by": (nothing, SIMILARITY, r"--weights"),
    # Archives
    "no archive": (nothing, UNPACK, r"archive: cannot be read \(No such file"),
    "text for an archive": (text("archive", "hello"), UNPACK, r"archive: cannot be unpacked"),
    "an archive cut short": (
        each(tar("a"), lambda: os.truncate("archive", 600)), UNPACK, r"archive"),
    "a tar that points out": (tar("../out"), UNPACK, r"archive.*out"),
    "a tar with an absolute path": (tar("a", tarfile.SYMTYPE, "/etc"), UNPACK, r"archive"),
    "a tar with a link out": (tar("a", tarfile.SYMTYPE, "../.."), UNPACK, r"archive"),
    "a tar with a device": (tar("a", tarfile.CHRTYPE), UNPACK, r"archive"),
    "a zip that points out": (zipped("../out"), UNPACK, r"archive.*out"),
    "a checksum of no known form": (
        nothing, "fetch http://127.0.0.1:9/x OUT/x --checksum foo", r"foo"),
    # Scores
    "no top-k": (gone("topk.csv"), TRIVIAL, r"topk\.csv"),
    "no truth": (gone("truth.csv"), TRIVIAL, r"truth\.csv"),
    "truth of no numbers": (
        text("truth.csv", f"{TRUTH}one/a.png,a,1,2,3\n"), TRIVIAL, r"truth\.csv"),
    "no boxes": (boxes(""), SCORES, r"boxes\.csv: cannot be read"),
    "boxes without a corner": (
        boxes("image_id,x0,y0,x1,score\n"), SCORES, r"boxes\.csv: .*no column y1"),
    "a corner of no number": (
        boxes(f"{BOXES}one/a.png,1,2,x,4,1\n"), SCORES, r"boxes\.csv: .*x1 is not a finite number"),
    "a corner that is not finite": (
        boxes(f"{BOXES}one/a.png,1,nan,3,4,1\n"), SCORES,
        r"boxes\.csv: .*y0 is not a finite number \(line 2\)"),
    "a box inside out": (
        boxes(f"{BOXES}one/a.png,9,2,3,4,1\n"), SCORES,
        r"boxes\.csv: the box ends before it begins \(line 2: one/a\.png\)"),
    "a table of no JSON": (text("s.json", "{"), TABLE_1, r"s\.json"),
    "a table of other JSON": (
        text("s.json", '{"protocols": {}}'), TABLE_1, r"s\.json: no scores\.j"),
    "a table of another table's rows": (
        text("s.json", json.dumps(dict.fromkeys(("model", "backbone", "threshold"), "a") | {
            "source": "measured", "seed": 0, "images": 1, "protocols": {}})),
        TABLE_2, r"Table 2 has no row a"),
    # What people use
    "predictions of nothing": (nothing, EXPORT, r"source"),
    "a network for a model": (nothing, f"{PREDICT} source --output OUT/p", r"is one network"),
    "no image to predict": (nothing, f"{PREDICT} none.jpg", r"none\.jpg"),
    "a file that says nothing": (nothing, "show topk.csv", r"topk\.csv: does not say how"),
}  # fmt: skip

# The command's own words are wrong.
WORDS = {
    f"{INDEX} --type coco": r"--type.*coco",
    f"{INDEX} --unreadable maybe": r"--unreadable.*maybe",
    f"{DIRECTIONS} --solver svd": r"--solver.*svd",
    f"{MAPS} --kind foo": r"--kind.*foo",
    f"{MASKS} --foregroud 0.2": r"--foregroud",
    f"{MASKS} --foreground -1": r"--foreground.*-1",
    f"{MASKS} --foreground much": r"--foreground.*much",
    f"{RECOGNIZER} --precision fp8": r"--precision.*fp8",
    f"{CLASSIFIER} --batches foo": r"--batches.*foo",
    f"{TRIVIAL} --protocols half": r"protocols.*half",
    EXPORT.replace("coco", "csv"): r"csv",
}

# Files as the stages wrote them, whose records tell what becomes of them; what reads them.
READ_BY = {
    "index.csv": IMAGES,
    "images.h5": FEATURES,
    "classifier.safetensors": FEATURES,
    "features.h5": DIRECTIONS,
    "directions.h5": MASKS,
}


def test_there_are_enough_cases():
    assert len(CASES) + len(WORDS) >= 99


def refused(isic, command: str, message: str, status: int = 1) -> None:
    """In one line, with nothing written."""
    done = isic(*command.split())
    assert done.status == status, done
    assert re.search(message, done.only_line), done.only_line
    written = [path for path in Path("OUT").rglob("*") if path.is_file()]
    assert {path.name for path in written} <= {"truth.csv", ".truth.csv.made.json"}
    assert not Path("UNPICKLED").exists()


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(run: Path, case: str, isic):
    for record in run.glob(".*.made.json"):  # else any change is met with the same line
        record.unlink()
    harm, command, message = CASES[case]
    harm()
    refused(isic, command, message)


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.usefixtures("run")
def test_a_wrong_word_is_one_line(command: str, isic):
    refused(isic, command, WORDS[command], status=2)


@pytest.mark.parametrize("harm", TO_FILES)
@pytest.mark.parametrize("name", READ_BY)
def test_a_damaged_file_is_one_line(run: Path, good: Path, name: str, harm: str, isic):
    """And when the file is there again, the same command succeeds."""
    damaged(name, harm)()
    refused(isic, READ_BY[name], re.escape(name))
    shutil.copy(good / name, run / name)
    assert isic(*READ_BY[name].split()).status == 0
