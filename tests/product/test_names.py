"""`isic init`: the name of a data set is its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from commands import status
from photos import photos

FOLDERS = ("2023/photos", "2024/photos", "写真", "猫", "犬")


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder in FOLDERS:
        photos(tmp_path / folder, {"a": 1, "b": 1})
    return tmp_path


def init(*words: str) -> int:
    return status("init", *words, "--backbone", "resnet18", "--weights", "none")


def names(folder: Path) -> dict[str, str]:
    """Folders of images by the names of their sets."""
    found = {}
    for path in folder.glob("*.yaml"):
        ((name, own),) = yaml.safe_load(path.read_text(encoding="utf-8"))["datasets"].items()
        assert name not in found
        found[name] = own["source"]["root"]
    return found


def test_each_folder_gets_a_name_of_its_own(sets: Path, capsys) -> None:
    for folder in FOLDERS:
        assert init(folder) == 0
    found = names(sets)
    assert sorted(found.values()) == sorted(FOLDERS)
    assert found["photos"] == "2023/photos"
    assert found["2024-photos"] == "2024/photos"
    said = capsys.readouterr().out
    assert "photos is another set's name here: this one is called 2024-photos." in said
    assert "results/2024-photos/predictions/boxes.csv --configfile 2024-photos.yaml" in said


def test_the_settings_file_may_have_another_name(sets: Path) -> None:
    assert init("2023/photos", "--output", "a.yml") == 0
    assert init("2024/photos", "--output", "second.yaml") == 0
    assert names(sets) == {"2024-photos": "2024/photos"}


def test_results_keep_their_name(sets: Path, capsys) -> None:
    words = "results/photos/index.csv --origin results/photos/origin.json"
    assert status("index", "2023/photos", *words.split()) == 0
    assert init("2024/photos") == 0
    assert init("2023/photos") == 0
    assert names(sets) == {"2024-photos": "2024/photos", "photos": "2023/photos"}
    assert init("2023/photos") == 1  # the same again: nothing is overwritten
    assert "photos.yaml: is there already. Delete it" in capsys.readouterr().err


def test_a_name_can_be_given(sets: Path, capsys) -> None:
    assert init("2023/photos", "--name", "summer-23") == 0
    assert names(sets) == {"summer-23": "2023/photos"}
    assert "results/summer-23/check.html --configfile summer-23.yaml" in capsys.readouterr().out
    for name, reason in {
        "summer-23": "summer-23 is the name of 2023/photos here. Choose another.",
        "cub": "'cub' is not letters, digits",
        "a_b": "'a_b' is not letters, digits",
        "a/b": "'a/b' is not letters, digits",
    }.items():
        assert init("2024/photos", "--name", name, "--output", "x.yaml") == 1
        assert reason in capsys.readouterr().err
    assert not (sets / "x.yaml").exists()


def test_what_else_lies_there_is_no_hindrance(sets: Path) -> None:
    (sets / "other.yaml").write_text("datasets: [1, 2]")
    (sets / "torn.yml").write_text("{ : ] \x00")
    (sets / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (sets / "folder.yaml").mkdir()
    assert init("2023/photos") == 0
