"""Each artifact tells how it was made, and `isic show` tells it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest
from networks import pictures
from PIL import Image
from workflows import ARM, Workflow

from isic.errors import InputError
from isic.provenance.digests import code_digest
from isic.provenance.records import record_path
from isic.provenance.show import PARTS, read_provenance, report


def test_every_artifact_of_a_run_tells_how_it_was_made(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(workflow.folder)
    kinds = (".csv", ".json", ".png", ".h5", ".safetensors")
    files = [
        path
        for path in Path("results/birds").rglob("*")
        if path.suffix in kinds
        and not {"source", "predictions", "benchmarks"} & set(path.parts)
        and not path.name.startswith(".")
    ]
    assert len(files) > 20
    for path in files:
        made = read_provenance(path)
        assert set(PARTS) <= set(made), path
        assert made["code"] == code_digest(made["command"])
        assert made["inputs"], path
        assert "CHANGED" not in "\n".join(report(path)), path


def test_what_is_shown(workflow: Workflow, monkeypatch: pytest.MonkeyPatch, isic):
    monkeypatch.chdir(workflow.folder)
    said = "\n".join(isic("show", f"results/birds/{ARM}/classifier.safetensors").output)
    assert f"results/birds/{ARM}/classifier.safetensors: classifier\n" in said
    for line in ("lam: 1.0", "gamma: 0.3", "seed: 0", "backbone: resnet18", "(as here)"):
        assert line in said
    assert "results/birds/similarity.h5: " in said
    assert str(workflow.folder) not in said


def test_changes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isic):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isic.data.sources.birds.generate.generate", generate_two)
    for command in ("birds source", "index source index.csv truth.csv"):
        assert isic(*command.split()).status == 0
    assert isic("images", "index.csv", "source", "images.h5").status == 0
    assert "CHANGED" not in "\n".join(report(Path("images.h5")))
    with Path("index.csv").open("a") as file:
        file.write("\n")
    assert "  CHANGED since it was written" in report(Path("index.csv"))
    assert any(
        line.startswith("  index.csv: ") and "CHANGED" in line for line in report(Path("images.h5"))
    )
    with h5py.File("images.h5", "a") as file:
        file.attrs["code"] = "0123"
        file.attrs["versions"] = json.dumps({"numpy": "1.0"})
    said = "\n".join(report(Path("images.h5")))
    assert f"0123 (here it is {code_digest('images')})" in said
    assert "numpy: 1.0 (here " in said


def generate_two(folder: Path, **_: object) -> None:
    for name, image in zip("ab", pictures(2, 40), strict=True):
        (folder / name).mkdir(parents=True)
        Image.fromarray(image).save(folder / name / "1.png")


@pytest.mark.parametrize("harm", ["none", "other", "half"])
def test_what_does_not_tell_is_said(tmp_path: Path, harm: str):
    path = tmp_path / "a.csv"
    path.write_text("a\n")
    if harm != "none":
        record_path(path).write_text("[1]" if harm == "other" else '{"command"')
    with pytest.raises(InputError, match=r"a\.csv.*(how it was made|is damaged)"):
        read_provenance(path)
    for name in ("a.h5", "a.safetensors", "no.csv"):
        if name != "no.csv":
            (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(InputError, match=name):
            read_provenance(tmp_path / name)
