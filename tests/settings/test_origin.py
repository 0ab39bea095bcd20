"""Results of one name are of one set of images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import status
from photos import photos

from isic.errors import InputError
from isic.settings.check import check
from isic.settings.inputs import check_origin


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """results/p of 2023/photos, and 2024/photos beside it."""
    monkeypatch.chdir(tmp_path)
    for year in ("2023", "2024"):
        photos(tmp_path / year / "photos", {"a": 1, "b": 1})
    words = "results/p/index.csv --origin results/p/origin.json"
    assert status("index", "2023/photos", *words.split()) == 0
    return tmp_path


def origin(root: str | Path) -> None:
    check_origin(check({"datasets": {"p": {"source": {"root": str(root)}}}})["p"], "p")


def test_another_set_is_refused_with_the_remedy(results: Path) -> None:
    line = "results/p: is of 2023/photos, and datasets.p.source is now 2024/photos. Give"
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        origin("2024/photos")
    assert "\n" not in str(caught.value)
    assert "isic init --name" in str(caught.value)
    with pytest.raises(InputError, match="datasets"):
        check_origin(check({"datasets": {"p": {"source": {"type": "birds"}}}})["p"], "p")
    (results / "results/p/origin.json").unlink()  # as the line says, of one set at two places
    origin("2024/photos")


def test_the_same_set_is_taken_however_it_is_named(results: Path) -> None:
    (results / "link").symlink_to("2023/photos")
    for root in ("2023/photos", "./2023/../2023/photos/", results / "2023/photos", "link"):
        origin(root)


def test_a_set_that_was_moved_is_the_same(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results / "2023").rename(results / "archive")
    origin("archive/photos")


def test_a_project_that_was_moved_keeps_its_results(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = results.rename(results.with_name("moved"))
    monkeypatch.chdir(moved)
    origin("2023/photos")
    with pytest.raises(InputError, match=r"is of 2023/photos"):
        origin("2024/photos")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"root": 3}'])
def test_a_damaged_note_stops_nothing(results: Path, content: str) -> None:
    (results / "results/p/origin.json").write_text(content)
    origin("2024/photos")
