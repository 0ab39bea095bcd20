"""Contact sheets of pseudo-masks: which images they show, what they warn of."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from masked import CLASSES, EACH, SIDE, THRESHOLDS, made

from isic import InputError
from isic.data.pack import join_shards, pack_shard
from isic.product.check import _kinds, check_page, heated, masked
from isic.storage.hdf5 import new_hdf5


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path, dict.fromkeys(CLASSES, EACH))


def test_each_class_has_its_sheet_and_its_warnings(run: Path) -> None:
    page, warnings = check_page(run, 3)
    assert page.count("<section") == len(CLASSES)
    assert [text.split(":")[0] for text in warnings] == ["class dead", "class dead", "class odd"]
    assert "100% of its pseudo-masks are empty" in warnings[0]
    assert "unlike the other classes'" in warnings[1] and "unlike" in warnings[2]  # noqa: PT018
    sections = page.split("<section")[1:]
    for section in sections:
        kinds, _, tried = section.partition(THRESHOLDS)
        names = re.findall(r'alt="([^"]*)"', kinds)
        assert len(names) == len(set(names)) == 9
        assert len(set(re.findall(r'alt="([^"]*)"', tried))) == 1
        assert tried.count("(in use)") == 1
    sure = [float(text) for text in re.findall(r"sure ([\d.]+)", sections[0])]
    assert min(sure[:3]) >= max(sure[3:6]) >= min(sure[3:6]) >= max(sure[6:])


@pytest.mark.parametrize("images", range(1, 14))
def test_no_image_stands_twice_in_a_class(images: int) -> None:
    kinds = _kinds(np.arange(images), 4)
    shown = [row for chosen in kinds.values() for row in chosen]
    assert len(shown) == len(set(shown)) == min(images, 12)
    assert kinds["best"][0] == 0
    if images > 4:
        assert kinds["worst"][0] == images - 1


def test_without_features_the_page_says_so(run: Path) -> None:
    shutil.rmtree(run / "features")
    page, _ = check_page(run, 2)
    assert THRESHOLDS not in page
    assert "feature maps are gone" in page


def test_where_each_shard_of_features_was_deleted_the_page_says_so(run: Path) -> None:
    """As Snakemake leaves it with features.on_disk: the files are gone, their folder is there."""
    for path in (run / "features").iterdir():
        path.unlink()
    page, _ = check_page(run, 2)
    assert THRESHOLDS not in page
    assert "feature maps are gone" in page


@pytest.mark.parametrize("examples", [1, 4])
def test_classes_of_few_images_have_sheets(examples: int, tmp_path: Path) -> None:
    counts = dict(zip(CLASSES, (1, 2, 3, 4), strict=True))
    page, _ = check_page(made(tmp_path, counts), examples)
    for section, count in zip(page.split("<section")[1:], counts.values(), strict=True):
        kinds, _, tried = section.partition(THRESHOLDS)
        names = re.findall(r'alt="([^"]*)"', kinds)
        assert len(names) == len(set(names)) == min(count, 3 * examples)
        assert tried.count("<img") == 6
        assert tried.count("(in use)") == 1


def test_masks_over_the_whole_image_are_warned_of(run: Path) -> None:
    with h5py.File(run / "masks/0.h5", "r+") as file:
        for row in range(EACH):  # of the first class
            file["mask"][row] = 1
        file["object_share"][:EACH] = file["sure"][:EACH] = 1
    page, warnings = check_page(run, 2)
    assert warnings[0] == "class cat: 100% of its pseudo-masks take the whole image for object"
    assert "100% object, sure 1.00" in page


def test_a_run_without_trouble_says_so(tmp_path: Path) -> None:
    page, warnings = check_page(made(tmp_path, {"cat": 6, '<b>"x" & ü': 6, "dog": 6}), 2)
    assert warnings == []
    assert "warnings" not in page.partition("<body>")[2]
    assert "No class has many empty masks" in page


def test_images_kept_as_jpeg_serve_as_well(run: Path) -> None:
    whole = run.parent / f"images~{SIDE}.h5"
    whole.unlink()
    index = pd.read_csv(run.parent / "index.csv", dtype=str, keep_default_na=False)
    source = run.parents[2] / "source"
    pack_shard(index, source, run.parent / f"images~{SIDE}/0.h5", SIDE)
    join_shards([run.parent / f"images~{SIDE}/0.h5"], whole)
    assert check_page(run, 2)[0].count("<img") == len(CLASSES) * (6 + 6)


def test_colours_tell_object_background_and_what_is_left_out() -> None:
    image = np.full((8, 8, 3), (10, 200, 60), np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4, 2:4], mask[6:] = 1, 255
    shown = masked(image, mask)
    assert shown[2, 2].tolist() == [10, 200, 60]
    assert shown[1, 2].tolist() == [255, 140, 0]
    assert shown[0, 0].max() < shown[7, 0].min()
    assert np.ptp(shown[0, 0]) == np.ptp(shown[7, 0]) == 0


def test_a_map_of_zeros_is_dark() -> None:
    image = np.full((8, 8, 3), 200, np.uint8)
    assert heated(image, np.zeros((8, 8))).max() <= 72
    heat = np.zeros((8, 8))
    heat[0, 0] = 1e-6  # what counts is where the map is highest
    assert heated(image, heat)[0, 0].mean() > 150


def test_runs_that_cannot_be_shown_are_named(run: Path) -> None:
    def refused(folder: Path, word: str) -> None:
        with pytest.raises(InputError, match=word) as caught:
            check_page(folder, 2)
        assert "\n" not in str(caught.value)

    refused(run.parent, r"has no masks/\*\.h5")
    (run / "directions/1.h5").rename(run / "directions/1.gone")
    refused(run, r"directions of classes \[2, 3\] are missing: make those of each shard")
    (run / "directions/1.gone").rename(run / "directions/1.h5")
    index = (run.parent / "index.csv").read_text()
    (run.parent / "index.csv").write_text(index.replace("cat/3.png", "cat/x.png"))
    refused(run, r"image cat/3\.png is not in .*index\.csv")
    (run.parent / "index.csv").write_text(index + "cat/y.png,test,cat,64,64,0\n")
    refused(run, rf"images~{SIDE}\.h5: its images are not those of the index")
    (run.parent / "index.csv").unlink()
    refused(run, r"index\.csv: does not exist")


def test_a_shard_without_masks_is_named(run: Path) -> None:
    with new_hdf5(run / "masks/0.h5", {}) as file:
        file["other"] = [1]
    with pytest.raises(InputError, match=r"masks/0\.h5: holds no mask "):
        check_page(run, 2)


def test_a_missing_shard_of_masks_is_named(run: Path) -> None:
    (run / "masks/1.h5").unlink()
    with pytest.raises(InputError, match="masks") as caught:
        check_page(run, 2)
    assert "\n" not in str(caught.value)


def test_the_command_writes_the_page_and_prints_the_warnings(run: Path, tmp_path: Path, isic):
    done = isic("check", run, "--examples", "1")
    assert done.status == 0
    _, *warnings, written, _ = done.output
    page, expected = check_page(run, 1)
    assert warnings == [f"warning: {text}" for text in expected]
    assert written.startswith(f"written: {run / 'check.html'}, ")
    assert (run / "check.html").read_text(encoding="utf-8") == page
    assert isic("check", run, "--output", tmp_path / "new/page.html").status == 0
    assert (tmp_path / "new/page.html").stat().st_size > len(page)


def test_the_command_refuses_in_one_line(run: Path, isic) -> None:
    done = isic("check", run.parent)
    assert done.status == 1
    (line,) = done.error
    assert line.startswith(f"isic: {run.parent}: has no masks")
    assert not (run.parent / "check.html").exists()
