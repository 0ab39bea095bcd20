"""Outputs of commands that are links, mount points, pipes, open files; and what a kill leaves."""

from __future__ import annotations

import json
import os
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from commands import started, status
from places import MOUNT, killed, may_mount
from stages import CLASSIFIER, FEATURES, INDEX

from isic.provenance.records import (
    checkpoint_path,
    fingerprint,
    is_artifact,
    provenance,
    record_path,
    recording,
)
from isic.storage.files import around_replace, write_json
from isic.training import loop

PLAINLY = ("--lam", "0", "--batches", "random")  # without a similarity
mounted = pytest.mark.skipif(not may_mount(), reason="may not mount a file system")


@mounted
@pytest.mark.parametrize(
    ("command", "before", "there"),
    [
        ("unpack archive OUT", "mount -t tmpfs tmpfs OUT", {"source"}),
        ("birds OUT --train-images 1 --test-images 1 --genera 1 --species 1",
         "mount -t tmpfs tmpfs OUT", {"train", "test", "masks", "boxes.csv"}),
        ("index source OUT/a.csv OUT/b.csv", "echo old > file; touch OUT/a.csv; "
         "mount --bind file OUT/a.csv", {"a.csv", ".a.csv.made.json", "b.csv", ".b.csv.made.json"}),
    ],
    ids=["new folder", "folder", "file"],
)  # fmt: skip
def test_a_mount_point_is_filled(command: str, before: str, there: set[str], run: Path):
    (run / "OUT").mkdir()
    with tarfile.open("archive", "w") as archive:
        archive.add("source")
    script = before + '; "$@"; code=$?; ls -A OUT > left; cat OUT/a.csv > written; exit $code'
    done = started(command, run, *MOUNT, script, "sh")
    assert done.status == 0, done.error
    assert set((run / "left").read_text().split()) == there
    if "index" in command:
        assert (run / "file").read_text() == (run / "written").read_text()
        assert "image_id" in (run / "file").read_text()


def test_words_do_not_get_into_what_goes_to_standard_output(run: Path, capfd):
    assert status("init", "source", "--output", "/dev/stdout") == 0
    said = capfd.readouterr()
    assert [*yaml.safe_load(said.out)["datasets"]] == ["source"]
    assert "written: /dev/stdout" in said.err
    status(*INDEX.replace("OUT/index.csv", "/dev/stdout").split())
    assert capfd.readouterr().out == (run / "index.csv").read_text()


def test_a_place_that_takes_nothing_is_refused_before_the_work(run: Path, isic, monkeypatch):
    monkeypatch.setattr("isic.commands.trainings.train_and_save", lambda *_: 1 / 0)
    (run / "file").touch()
    done = isic(*CLASSIFIER.replace("OUT/curves.csv", "file/curves.csv").split())
    assert done.status == 1
    assert f"file/curves.csv: cannot be made, {run / 'file'} is no folder. Name" in done.only_line
    done = isic("fetch", "http://127.0.0.1:1/a", "/dev/null", "--checksum", "md5:" + "0" * 32)
    assert "isic: /dev/null: is a device or a pipe. Name a file." in done.only_line


def test_curves_that_nobody_wants(run: Path, isic):
    """A device is no artifact and has no record; a network that goes there has no checkpoint."""
    terminal = os.ttyname(os.openpty()[1])
    done = isic(*CLASSIFIER.replace("OUT/curves.csv", terminal).split(), *PLAINLY)
    assert done.status == 0, done.error
    assert Path(terminal).is_char_device()
    assert {path.name for path in (run / "OUT").iterdir()} == {
        "classifier.safetensors",
        ".classifier.safetensors.made.json",
    }


def write(path: Path, content: int, end_before: bool = False, end_after: bool = False) -> None:
    """As a recorded command writes it, killed before or after the file is moved."""

    def keep(part: Path, place: Path):
        made = {"command": str(content)}
        return recording(place, made, part) if is_artifact(place) else nullcontext()

    around_replace.set(keep)
    if end_before or end_after:
        replace = Path.replace

        def ending(self: Path, target: Path) -> Path:
            if target == path and end_before:
                os._exit(9)
            done = replace(self, target)
            if target == path:
                os._exit(9)
            return done

        Path.replace = ending
    write_json(content, path)


@pytest.mark.parametrize("end", ["before", "after"])
@pytest.mark.parametrize("new", [2, 22], ids=["of one length", "longer"])
def test_a_kill_between_a_file_and_its_record_damages_neither(end: str, new: int, tmp_path: Path):
    path = tmp_path / "a.json"
    assert killed(lambda: write(path, 1)) == 0
    assert killed(lambda: write(path, new, **{f"end_{end}": True})) == 9
    assert json.loads(path.read_text()) == (1 if end == "before" else new)
    assert fingerprint(path) in provenance("masks", {}, [path])["inputs"]
    assert killed(lambda: write(path, new)) == 0
    assert json.loads(record_path(path).read_text())["command"] == str(new)
    assert {one.name for one in tmp_path.iterdir()} == {"a.json", ".a.json.made.json"}


def test_a_file_has_one_record_by_whatever_link_it_is_written(tmp_path: Path):
    path, link = tmp_path / "a.json", tmp_path / "link.json"
    link.symlink_to("a.json")
    for number, place in enumerate((path, link, path)):
        assert killed(lambda place=place, number=number: write(place, number)) == 0
        for name in (path, link):
            assert fingerprint(path) in provenance("masks", {}, [name])["inputs"]


def test_a_training_goes_on_until_its_network_is_used(run: Path, isic, monkeypatch):
    """A workflow that is killed before it has heard of its end removes the network."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", -1.0)
    train = [*CLASSIFIER.split(), *PLAINLY]
    assert isic(*train).status == 0
    network = run / "OUT/classifier.safetensors"
    first = network.read_bytes()
    network.unlink()
    assert any("goes on from epoch 1" in line for line in isic(*train).output)
    assert network.read_bytes() == first
    assert checkpoint_path(network).exists()
    assert isic(*FEATURES.replace(" classifier", " OUT/classifier").split()).status == 0
    assert not checkpoint_path(network).exists()
