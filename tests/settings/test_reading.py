"""Settings as `--config` hands them over, all of them text, and as YAML may have them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from isic.errors import InputError
from isic.settings.check import check

TEXT = """
source: {root: ~/photos}
seeds: [1, 2]
gpus: 2
deterministic: true
classifier: {epochs: 3, lam: 1e-1, gamma: -.5, weights: ~/r50.pth, learning_rate: +2E-2}
segmenter: {weights: none}
features: {on_disk: null}
recognizer: {backbone: null}
scores: {protocols: crop}
tables: {lam: [0, 0.5]}
"""


@pytest.mark.parametrize("loader", [yaml.BaseLoader, yaml.SafeLoader])
def test_text_that_says_exactly_a_value_is_one(loader: type, monkeypatch: pytest.MonkeyPatch):
    """YAML's base loader, with which Snakemake reads --config, takes every scalar for text."""
    monkeypatch.setenv("HOME", "/home/ada")
    own = check({"datasets": {"mine": yaml.load(TEXT, loader)}})["mine"]
    assert own.seeds == (1, 2)
    assert own.gpus == 2
    assert own.deterministic is True
    classifier = own.classifier
    assert (classifier.epochs, classifier.lam, classifier.gamma) == (3, 0.1, -0.5)
    assert classifier.learning_rate == own.segmenter.learning_rate == 0.02
    assert own.features.on_disk is None
    assert own.recognizer.backbone is None
    assert own.scores.protocols == ("crop",)
    assert own.tables.lam == (0, 0.5)
    # A shell would put the user's home there; a folder called `~` is `./~`.
    assert own.source.root == "/home/ada/photos"
    assert classifier.weights == "/home/ada/r50.pth"


@pytest.mark.parametrize("text", ["3.5", "1e1", "0x3", "3 ", "", "three", "1_0", "\u0663x", "inf"])
def test_other_text_is_no_whole_number(text: str):
    with pytest.raises(InputError, match=r"^datasets\.mine\.classifier\.epochs: .*write"):
        check({"datasets": {"mine": {"source": {"root": "a"}, "classifier": {"epochs": text}}}})


@pytest.mark.parametrize("value", [2, 3.0])
def test_advice_can_be_followed(value: float):
    """What is written as the error says is taken."""
    config = {"datasets": {"mine": {"source": {"root": "a"}, "classifier": {"epochs": str(value)}}}}
    try:
        found = check(config)["mine"].classifier.epochs
    except InputError as error:
        config["datasets"]["mine"]["classifier"]["epochs"] = str(error).rpartition(" ")[2]
        found = check(config)["mine"].classifier.epochs
    assert found == value


def test_a_name_that_yaml_takes_for_a_number_is_refused():
    with pytest.raises(InputError, match=r"^datasets\.2024: is no text; write it in quotes$"):
        check(yaml.safe_load("datasets: {2024: {source: {root: a}}}"))


def test_a_folder_called_null_is_one():
    source = {"root": "null"}
    assert check({"datasets": {"mine": {"source": source}}})["mine"].source.root == "null"


def test_every_setting_that_is_a_path_says_so():
    """So that `~` is the user's home in each."""
    from isic.settings.check import SECTIONS
    from isic.settings.declare import settings_of

    paths = {
        f"{name}.{one.name}"
        for name, section in SECTIONS.items()
        for one in settings_of(section)
        if one.setting.path
    }
    weights = {f"{name}.weights" for name in ("classifier", "segmenter", "recognizer")}
    assert paths == {"source.root"} | weights
    assert not Path("~").expanduser().name.startswith("~")
