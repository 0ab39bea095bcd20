"""The summary of a run, part by part."""

from __future__ import annotations

import html
import re
import socket
from pathlib import Path, PurePath

import h5py
import numpy as np
import pandas as pd
import pytest
from workflows import ARM

from isic.errors import InputError
from isic.evaluation.report import (
    beaten,
    counts,
    lines_after,
    logged_warnings,
    mask_shares,
    mask_warnings,
    stage,
    summarize,
    times,
)
from isic.evaluation.tables.ablation import OF_ICFS, SPREAD, TO_BASE

BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\n"
INDEX = "image_id,split,class,width,height,digest\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def row(model: str, gt_known: float | None, backbone: str = "resnet18", **more: object) -> dict:
    return {
        "model": model,
        "backbone": backbone,
        "top1_loc": gt_known,
        "top5_loc": gt_known,
        "gt_known": gt_known,
        "source": "measured",
        "protocol": "crop",
        "threshold": "none",
        "images": 100,
        "seeds": 1,
    } | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run on two classes left, as far as the summary reads it."""
    folder = tmp_path / "birds"
    write(
        folder,
        {
            "index.csv": f"{INDEX}train/a/1.jpg,train,a,9,9,0\ntrain/<b>/1.jpg,train,<b>,9,9,1\n"
            "test/a/1.jpg,test,a,9,9,2\n",
            "truth.csv": "image_id,x0,y0,x1,y1\ntest/a/1.jpg,0,0,9,9\n",
            "logs/index.log": "index: 3/3\rindex: 3/3\n2 classes\n"
            "left out, cannot be read: train/<b>/2 & 3.jpg\n",
            "benchmarks/index.tsv": f"{BENCHMARK}0.5\t0:00:00\tNA\t-\n",
        },
    )
    return folder


def test_images_are_counted():
    index = pd.DataFrame({"image_id": ["p", "q", "r"], "class": ["a", "b", "a"]})
    index["split"] = ["train", "train", "test"]
    truth = pd.DataFrame({"image_id": ["p", "r", "r"]})
    assert counts(index, truth, ["s.jpg"]) == {
        "classes": 2,
        "training images": 2,
        "test images": 1,
        "true boxes": 3,
        "images that get boxes": 1,
        "of them with a true box": 1,
        "images left out": 1,
    }


def test_a_progress_bar_does_not_hide_a_line():
    log = "train: 1/2\rtrain: 2/2\rwarning: too few\nno warning: here\nwarning:  two \n"
    assert lines_after("warning:", log) == ["too few", "two"]


def test_warnings_are_collected_once_and_counted():
    logs = {
        "similarity": "γ = 0.3: 0.0\n",
        "lambda~1.0_seed~0/classifier": "warning: collapsed\nwarning: collapsed\n",
        "lambda~1.0_seed~1/classifier": "epoch 1\nwarning: collapsed\nwarning: other",
    }
    assert logged_warnings(logs) == [
        "collapsed (2 logs: lambda~1.0_seed~0/classifier, lambda~1.0_seed~1/classifier)",
        "other (lambda~1.0_seed~1/classifier)",
    ]


def test_masks_that_say_nothing_are_warned_about():
    empty, whole, good = np.zeros(2), np.full(10, 0.96), np.full(88, 0.3)
    table = mask_shares({"arm": np.concatenate([empty, whole, good]), "fine": good})
    assert table.to_dict("list") == {
        "arm": ["arm", "fine"],
        "masks": [100, 88],
        "empty": [2.0, 0.0],
        "whole": [10.0, 0.0],
    }
    assert mask_warnings(table) == [
        "arm: 10.0 % of the pseudo-masks take the whole image for object"
    ]
    assert mask_warnings(mask_shares({})) == []


def test_models_below_the_best_trivial_box_are_named():
    table = pd.DataFrame(
        [
            row("SPOL", 10.0, source="published"),
            row("whole image", 40.0, "none"),
            row("centre box 80 %", 52.5, "none"),
            row("CAM", 47.75),
            row("BASE", 52.5),
            row("ISIC (this run)", 90.0),
            row("whole image", 40.0, "none", protocol="original"),
            row("CAM", 41.0, protocol="original"),
        ]
    )
    assert beaten(table) == [
        "protocol crop: the trivial box centre box 80 % (GT-known 52.50) beats "
        "CAM (47.75) by 4.75 points"
    ]


def test_where_nothing_is_scored_nothing_is_beaten():
    table = pd.DataFrame([row("CAM", None, protocol="none"), row("BASE", None, protocol="none")])
    assert beaten(table.astype({"gt_known": float})) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{ARM}/features/0.tsv", "features"),
        (f"{ARM}/classifier.tsv", "classifier"),
        ("lambda~0_seed~0_cam/maps.tsv", "maps"),
        ("plain_seed~0/recognizer.tsv", "recognizer"),
        ("trivial/scores.tsv", "trivial"),
        ("figures/localization.tsv", "figures"),
        ("images~112.tsv", "images"),
        ("table1.tsv", "table1"),
    ],
)
def test_the_stage_of_a_benchmark(path: str, name: str):
    assert stage(PurePath(path)) == name


def test_times_are_summed_by_stage():
    jobs = pd.DataFrame(
        [("index", 2.0, np.nan), ("maps", 5.0, 80.0), ("maps", 7.0, np.nan), ("cut", np.nan, 9.0)],
        columns=["stage", "s", "max_rss"],
    )
    expected = pd.DataFrame(
        [
            ("maps", 2, 12.0, 7.0, 80.0),
            ("index", 1, 2.0, 2.0, np.nan),
            ("cut", 1, 0.0, np.nan, 9.0),
            ("total", 4, 14.0, 7.0, 80.0),
        ],
        columns=["stage", "jobs", "seconds", "longest", "peak"],
    )
    pd.testing.assert_frame_equal(times(jobs), expected)


def test_the_page_escapes_what_it_shows_and_says_where_nothing_is_wrong(folder: Path):
    page = summarize(folder, {"source": {"root": "…/<mine>"}})
    assert "train/&lt;b&gt;/2 &amp; 3.jpg" in page
    assert "…/&lt;mine&gt;" in page
    assert "<b>" not in page
    assert "<mine>" not in page
    assert "Nothing to warn about" in page
    assert page.count("Not made yet") == 4
    assert "The masks do not hold the object's share" in page


def test_the_page_holds_what_the_run_left(folder: Path):
    columns = dict.fromkeys(x for x in (*SPREAD, *TO_BASE, *OF_ICFS) if x not in row("BASE", 85))
    columns |= {f"gt_known{end}": x for end, x in (("_sd", 1), ("_low", 80), ("_high", 90))}
    ends = (("", 5.2), ("_low", -3.14), ("_high", 7.4))
    columns |= {f"gt_known_diff{end}": x for end, x in ends}
    table1 = [
        row("SPOL", 96.46, source="published"),
        row("whole image", 50, "none"),
        row("CAM", 40),
    ]
    pd.DataFrame(table1).to_csv(folder / "table1.csv", index=False)
    pd.DataFrame([row("BASE", 85.0, **columns)]).to_csv(folder / "table2.csv", index=False)
    log, benchmark = f"{ARM}/classifier.log", f"{ARM}/classifier.tsv"
    write(
        folder,
        {
            f"logs/{log}": "warning: no two classes are similar\n",
            "logs/summary.log": "warning: of an earlier page\n",
            f"benchmarks/{benchmark}": f"{BENCHMARK}3725.0\t1:02:05\t1234.5\t9\n",
        },
    )
    (folder / ARM / "masks").mkdir(parents=True)
    for shard, shares in enumerate(([0.0, 0.5], [0.2, 0.3])):
        with h5py.File(folder / ARM / "masks" / f"{shard}.h5", "w") as file:
            file["object_share"] = file["sure"] = shares
            file["image_id"], file["mask"] = ["a", "b"], np.zeros((2, 4, 4), np.uint8)
    page = summarize(folder, {"classifier": {"lam": 1.0}})
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "whole image (GT-known 50.00) beats CAM (40.00) by 10.00 points" in text
    assert f"{ARM}: 25.0 % of the pseudo-masks are empty" in text
    assert f"no two classes are similar ({ARM}/classifier)" in text
    assert "earlier page" not in text
    assert "GT-known to BASE GT-known through ICFS" in text
    assert "85.00 ± 1.00 [80.0, 90.0] +5.2 [-3.1, 7.4] - " in text
    assert '<tr class="published' in page
    assert "classifier 1 1:02:05 1:02:05 1,234 MiB" in text
    assert "index 1 0:00:00 0:00:00 - " in text
    assert "total 2 1:02:06 1:02:05 1,234 MiB" in text
    assert "lam: 1.0" in text


def test_labels_alone_make_a_page_that_says_so(folder: Path):
    write(folder, {"truth.csv": "image_id,x0,y0,x1,y1\n"})
    nothing = [row(model, None, protocol="none") for model in ("CAM", "ISIC (this run)")]
    pd.DataFrame(nothing).to_csv(folder / "table1.csv", index=False)
    assert "nothing to score: no boxes" in summarize(folder, {})


def test_the_page_loads_nothing_and_names_no_place(folder: Path):
    page = summarize(folder, {})
    assert "http" not in page
    assert not re.search(r"\b(src|href)=|url\(|@import", page)
    assert str(folder.parent) not in page
    assert str(Path.home()) not in page
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", page)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/home/ada/my photos: 3 files are no images", "…/my photos: 3 files are no images"),
        ("/home/ada/my photos/a/1.jpg: odd", "…/my photos/a/1.jpg: odd"),
        ("/home/ada/my photos (2)/1.jpg: odd", "…/my photos (2)/1.jpg: odd"),
        ("/srv/eve/set/boxes.csv, line 3", "…/boxes.csv, line 3"),
        ("see (/srv/eve/x.jpg) or '/srv/eve/y.jpg'.", "see (…/x.jpg) or '…/y.jpg'."),
        ("~/photos/a: odd", "…/a: odd"),
        (
            "results/p/a.h5: 3/4 n/a, https://a.org/b/c",
            "results/p/a.h5: 3/4 n/a, https://a.org/b/c",
        ),
    ],
)
def test_the_page_shows_no_absolute_path(folder: Path, line: str, shown: str):
    command = "isic index '/home/ada/my photos' results/p/index.csv --type folder"
    write(folder, {"logs/index.log": f"{command}\nwarning: {line}\n"})
    page = summarize(folder, {})
    assert html.escape(shown).replace("&#x27;", "&#39;") in page
    assert not re.search(r"ada|/srv|eve/", page)


def test_a_folder_without_an_index_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"index\.csv: does not exist"):
        summarize(tmp_path, {})


def test_settings_that_are_no_json_are_refused(folder: Path, isic):
    page = folder / "summary.html"
    command = ("summary", folder, page, "--settings")
    assert isic(*command, "seeds: [0]").only_line.startswith("isic: --settings: no JSON")
    assert not page.exists()
    assert isic(*command, '{"seeds": [0]}').status == 0
    assert "seeds: [0]" in page.read_text(encoding="utf-8")
