"""The one walk of folders: links, folders of systems, closed folders, and what it says."""

import os
from pathlib import Path

import pytest

from isic.data.walk import is_image, remarks, walk


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_files_come_in_order_and_links_are_entered(tmp_path: Path) -> None:
    files(tmp_path, "all/b/2.jpg", "all/b/1.jpg", "all/z.txt", "all/b/a/3.jpg", "store/4.jpg")
    (tmp_path / "all/a").symlink_to("../store")
    (tmp_path / "all/5.jpg").symlink_to("../store/4.jpg")
    found = walk(tmp_path / "all")
    assert found.files == ["5.jpg", "z.txt", "a/4.jpg", "b/1.jpg", "b/2.jpg", "b/a/3.jpg"]
    assert found.folders == ["a", "b", "b/a"]
    (tmp_path / "link").symlink_to("all")
    assert walk(tmp_path / "link") == found


def test_loops_of_links_end_and_are_said(tmp_path: Path) -> None:
    root = tmp_path / "all"
    files(tmp_path, "all/a/1.jpg", "all/b/2.jpg", "outside.jpg", "other/3.jpg")
    (root / "a/self").symlink_to(".")
    (root / "a/up").symlink_to("../..")
    (root / "a/over").symlink_to("../b")
    (root / "b/back").symlink_to("../a")
    (root / "far").symlink_to("../other")
    (tmp_path / "other/home").symlink_to("../all")
    (root / "itself").symlink_to("itself")
    found = walk(root)
    images = list(filter(is_image, found.files))
    assert images == ["a/1.jpg", "a/over/2.jpg", "b/2.jpg", "b/back/1.jpg", "far/3.jpg"]
    assert {"a/self", "a/up", "a/over/back", "b/back/over", "far/home"} <= set(found.loops)
    (line,) = [line for line in remarks(found) if "link" in line]
    assert line.startswith(f"{len(found.loops)} links not followed")


@pytest.mark.parametrize(
    "name",
    ["@eaDir", "__MACOSX", "lost+found", "#recycle", "$RECYCLE.BIN", ".thumbnails", "@Recycle"],
)
def test_folders_of_the_system_are_passed_by(tmp_path: Path, name: str) -> None:
    files(tmp_path, "a/1.jpg", f"{name}/notes.txt", "Thumbs.db", ".DS_Store", "desktop.ini")
    found = walk(tmp_path)
    assert found.files == ["a/1.jpg"]
    assert found.folders == ["a"]
    assert remarks(found) == []
    files(tmp_path, f"a/{name}/1.jpg/thumb.jpg", f"System Volume Information/{name}/2.jpg")
    found = walk(tmp_path)
    assert found.files == ["a/1.jpg"]
    (line,) = remarks(found)
    assert line.startswith("2 folders with images left out")
    assert f"a/{name}" in line
    assert walk(tmp_path / name).files == ["notes.txt"]  # where a person names it


def test_what_predict_wrote_is_passed_by_and_images_beside_it_are_not(tmp_path: Path) -> None:
    files(tmp_path, "a/1.jpg", "a/predictions.json", "a/masks/1.png", "a/overlays/1.jpg")
    files(tmp_path, "b/masks/2.png")
    assert list(filter(is_image, walk(tmp_path).files)) == ["a/1.jpg", "b/masks/2.png"]


def test_closed_folders_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = walk(tmp_path)
    assert found.files == ["a/1.jpg"]
    assert found.closed == {"b": "Permission denied"}
    assert remarks(found) == [
        "1 folder cannot be opened, and left out: b (Permission denied). Make them readable."
    ]


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    files(
        tmp_path,
        *(f"a/{i}.JXL" for i in range(3)),
        "b/x.psd",
        "c.svg",
        "clip.webm",
        "notes",
        "n.txt",
    )
    files(tmp_path, "a/1.jpg", "a/2.HEIC", "a/3.avif")
    unread, others = remarks(walk(tmp_path))
    assert unread == (
        "5 files of kinds that are not read left out: 3 .jxl, 1 .svg, 1 .psd, as c.svg. "
        "Convert them to PNG or JPEG."
    )
    assert others == (
        "3 files that are no images by name left out: 1 .webm, 1 .txt, 1 without suffix, "
        "as clip.webm. Give an image its suffix."
    )


def test_names_that_are_not_utf8_are_said_as_shells_take_them(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.psd")).write_bytes(b"")
    assert "as caf\\xe9.psd" in remarks(walk(tmp_path))[0]
