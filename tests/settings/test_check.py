"""The settings: what is merged, what is refused, and how the refusal reads."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import pytest
import yaml

from isic.commands.options import parameters
from isic.errors import InputError
from isic.settings import jobs
from isic.settings.check import SECTIONS, check, merge, portable, schema
from isic.settings.declare import Setting
from isic.settings.jobs import options
from isic.settings.kinds import named_weights
from isic.settings.networks import network_conflicts, timm_names, torchvision_names
from isic.settings.page import page
from isic.settings.sections import Classifier, Masks, Training

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def with_birds(**changes: object) -> dict:
    return merge(CONFIG, {"datasets": {"birds": changes}})


def test_the_configuration_is_valid():
    assert {"birds", "cub", "cub-literal", "imagenet"} == set(check(CONFIG))


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("benchmarks/sets/*.yaml")]),
    ids=lambda p: p.name,
)
def test_the_examples_are_valid(path: Path):
    example = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert example.get("datasets", {}).keys() <= check(merge(CONFIG, example)).keys()


def test_cub_has_the_papers_settings():
    cub = check(CONFIG)["cub"]
    for network in (cub.classifier, cub.segmenter):  # the same network, trained in the same way
        assert (network.backbone, network.channels) == ("resnet50", 128)
        assert (network.epochs, network.learning_rate) == (32, 0.02)
        assert network.weights == "ResNet50_Weights.IMAGENET1K_V1"
    assert (cub.classifier.lam, cub.classifier.gamma) == (1, 0.3)
    assert (cub.images.resize, cub.images.crop) == (256, 224)
    assert cub.recognizer.backbone == "efficientnet_b7"
    assert cub.source.checksum == ("md5:97eceeb196236b17998738112f37df78",)


def test_cub_literal_is_cub_with_the_sum_over_the_channels():
    datasets = check(CONFIG)
    cub, literal = datasets["cub"], datasets["cub-literal"]
    channels = cub.classifier.channels
    assert literal.classifier == replace(cub.classifier, lam=channels * cub.classifier.lam)
    assert literal.tables.lam == tuple(channels * lam for lam in cub.tables.lam)
    assert literal == replace(cub, classifier=literal.classifier, tables=literal.tables)


def test_merge_is_deep_and_leaves_its_arguments_alone():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 0}
    assert merge(base, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}, "d": 0}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 0}


def test_a_data_sets_own_settings_win():
    config = merge(with_birds(classifier={"lam": 0.5}), {"defaults": {"classifier": {"lam": 2.0}}})
    datasets = check(config)
    assert datasets["birds"].classifier.lam == 0.5
    assert datasets["birds"].classifier.gamma == Classifier.gamma
    assert datasets["imagenet"].classifier.lam == 1.0  # its own
    assert check({**config, "datasets": {"a": {"source": {"root": "b"}}}})["a"].classifier.lam == 2


def test_the_segmenter_follows_the_classifier_where_it_says_nothing():
    own = {
        "classifier": {"backbone": "resnet34", "weights": "none", "epochs": 7, "momentum": 0.8},
        "segmenter": {"epochs": 3},
    }
    settings = check(with_birds(**own))["birds"]
    names = [field.name for field in fields(Training)]
    for name in (*names, "backbone", "weights", "channels"):
        expected = 3 if name == "epochs" else getattr(settings.classifier, name)
        assert getattr(settings.segmenter, name) == expected, name
    assert settings.recognizer.epochs == 7
    view = settings.recognizer.resize, settings.recognizer.crop
    assert view == (settings.images.resize, settings.images.crop)


def test_one_value_for_a_list_is_a_list_of_one():
    assert check(with_birds(seeds=3))["birds"].seeds == (3,)
    assert check(with_birds(scores={"protocols": "crop"}))["birds"].scores.protocols == ("crop",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier": {"epochs": 0}}, "classifier.epochs: 0 is less than the minimum of 1"),
        (
            {"recognizer": {"backbone": "resnet18", "epochs": 0}},
            "recognizer.weights: none; with epochs: 0 nothing is trained, so name weights",
        ),
        ({"classifier": {"batches": "similar"}}, "classifier.batches: similar needs S before any "),
        ({"images": {"store": "png"}}, "images.store: 'png' is not one of ['pixels', 'jpeg']"),
        ({"features": {"on_disk": 0}}, "features.on_disk: 0 is less than the minimum of 1"),
        ({"classifier": {"epochs": 2.0}}, "classifier.epochs: 2.0 is not of type 'integer'"),
        ({"classifier": {"epochs": True}}, "classifier.epochs: True is not of type 'integer'"),
        ({"classifier": {"lamda": 1}}, "classifier.lamda: unknown setting; did you mean lam?"),
        ({"classifier": {"gamma": 1.5}}, "classifier.gamma: 1.5 is greater than the maximum of 1"),
        (
            {"classifier": {"epochs": "3.0"}},
            "classifier.epochs: '3.0' is not of type 'integer'; write 3",
        ),
        (
            {"classifier": {"lam": "much"}},
            "classifier.lam: 'much' is not of type 'number'; write a n",
        ),
        ({"classifier": {"lam": "nan"}}, "classifier.lam: 'nan' is not of type 'number'"),
        (
            {"classifier": {"weights": "{a}.pth"}},
            "classifier.weights: '{a}.pth' is not a name",
        ),
        (
            {"source": {"url": "https://a/{b}/c.zip"}},
            "source.url.0: 'https://a/{b}/c.zip' is not an ad",
        ),
        (
            {"source": {"root": 2024}},
            "source.root: 2024 is not of type 'string', 'null'; write it in quotes, as \"2024\"",
        ),
        ({"classifier": None}, "classifier: None is not of type 'object'"),
        ({"classifer": {}}, "classifer: unknown setting; did you mean classifier?"),
        ({"colour": 1}, "colour: unknown setting; known here: boxes, "),
        ({"scores": {"protocols": ["crap"]}}, "scores.protocols.0: 'crap' is not one of ['crop'"),
        ({"seeds": []}, "seeds: []"),
        ({"boxes": {"segmenter": 1}}, "boxes.segmenter: 1 is greater than or equal to the max"),
        ({"source": {"type": "photos"}}, "source.type: 'photos' is not one of ['folder'"),
        ({"source": {"checksum": "md5:12"}}, "source.checksum.0: 'md5:12' is not sha256:HEX"),
        ({"source": {"type": "folder"}}, "source.root: missing; give the folder"),
        ({"source": {"type": "cub", "url": "https://a/b"}}, "source.checksum: missing"),
        ({"images": {"crop": 400}}, "images.crop: 400 is greater than images.resize, "),
        ({"source": {"root": "a/{b}"}}, "source.root: 'a/{b}' is not a folder without braces"),
        ({"source": {"root": "-a"}}, "source.root: '-a' is not a folder without braces"),
        ({"masks": {"background": 0.9}}, "masks.background: 0.9 is not less than masks.foregr"),
        ({"classifier": {"backbone": "resnet5"}}, "classifier.backbone: torchvision has no netw"),
        (
            {"segmenter": {"weights": "ResNet50_Weights.IMAGENET1K_V1", "backbone": "resnet18"}},
            "segmenter.weights: ResNet50_Weights.IMAGENET1K_V1 is not of the backbone resnet18",
        ),
        (
            {"segmenter": {"weights": "ResNet50_Weights.V9", "backbone": "resnet50"}},
            "segmenter.weights: torchvision has no ResNet50_Weights.V9; for resnet50 it has ",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes: dict, message: str):
    with pytest.raises(InputError, match=re.escape(f"datasets.birds.{message}")) as caught:
        check(with_birds(**changes))
    assert len(str(caught.value).splitlines()) == 1


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError) as caught:
        check(with_birds(classifier={"epochs": 0, "lamda": 1}, colour="red"))
    assert len(str(caught.value).splitlines()) == 3


def test_a_setting_is_declared_in_one_place(monkeypatch: pytest.MonkeyPatch):
    """A made-up setting of the section masks is on the command line, checked and documented."""

    @dataclass(frozen=True, kw_only=True)
    class Extended(Masks):
        holes: Annotated[int, Setting("holes to fill", least=0, most=9)] = 2

    monkeypatch.setitem(SECTIONS, "masks", Extended)
    schema.cache_clear()
    try:
        with pytest.raises(InputError, match=r"birds\.masks\.holes: 10 is greater than"):
            check(with_birds(masks={"holes": 10}))
        settings = check(with_birds(masks={"holes": 3}))["birds"]
        assert "--holes 3" in jobs.masks(settings)
        assert "| `holes` | 2 | ≥ 0, ≤ 9 | holes to fill |" in page()

        def command(settings: Extended) -> None: ...

        command.__annotations__["settings"] = Extended
        names = [parameter.name for parameter in parameters(command)]
        assert names == ["foreground", "background", "undecided", "holes"]
    finally:
        schema.cache_clear()


def test_the_page_of_settings_is_in_step():
    """`python -m isic.settings.page > docs/settings.md` makes it."""
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == page()


def test_a_name_that_results_cannot_carry_is_refused():
    with pytest.raises(InputError, match="a_b/c"):
        check(merge(CONFIG, {"datasets": {"a_b/c": {}}}))


def test_options_are_quoted_for_the_shell():
    settings = {
        "batch_size": 64,
        "learning_rate": 0.02,
        "backbone": None,
        "protocols": ["crop", "resize"],
        "model": "ISIC (this run)",
        "verbose": False,
    }
    assert options(settings) == (
        "--batch-size 64 --learning-rate 0.02 --protocols crop,resize "
        "--model 'ISIC (this run)' --no-verbose"
    )


def test_weights_are_a_name_or_a_file():
    assert named_weights("ResNet50_Weights.IMAGENET1K_V1")
    assert named_weights("timm/resnet50.a1_in1k")
    assert not named_weights("data/resnet50.pth")
    assert not named_weights("timm/resnet50.safetensors")
    assert not named_weights("none")


def test_torchvisions_names_are_read_rightly():
    """The names found in torchvision's source are those that it gives itself."""
    from torchvision import models

    networks, weights = torchvision_names()
    assert networks == set(models.list_models(module=models))
    assert weights == {
        str(member) for name in networks for member in models.get_model_weights(name)
    }


def test_timms_names_are_read_rightly():
    import timm

    assert timm_names("resnet50")[0] == set(timm.list_models())
    for name in ("resnet50", "tf_efficientnet_lite0", "convnext_atto", "darknet17"):
        tags = {one.partition(".")[2] for one in timm.list_pretrained(f"{name}.*")}
        assert timm_names(name)[1] - {"pypi"} == tags


@pytest.mark.parametrize(
    ("backbone", "weights", "problem"),
    [
        ("timm/resnet50", "timm/resnet50.a1_in1k", None),
        ("timm/tf_efficientnet_lite0", "timm/tf_efficientnet_lite0.pypi", None),
        ("timm/darknet17", "none", None),
        ("timm/resnet5", "none", "timm has no network resnet5; did you mean timm/resnet50?"),
        ("timm/resnet50", "timm/resnet50.a9", "weights: timm has no timm/resnet50.a9; for timm/"),
        ("timm/resnet50", "timm/resnet18.a1_in1k", "is not of the backbone timm/resnet50"),
        ("timm/resnet50", "ResNet50_Weights.IMAGENET1K_V1", "is not of the backbone timm/resnet"),
        ("resnet50", "timm/resnet50.a1_in1k", "is not of the backbone resnet50"),
        ("timm/resnet50", "timm/resnet50.pth", None),  # a file
    ],
)
def test_conflicts_of_timms_networks(backbone: str, weights: str, problem: str | None):
    found = list(network_conflicts(backbone, weights))
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_settings_load_nothing_heavy():
    program = (
        "import sys, isic.settings.check, isic.provenance.digests, isic.storage.locks;"
        "print({'torch', 'numpy', 'h5py', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_an_absolute_path_is_not_shown_to_others():
    settings = {"seeds": [0], "source": {"root": "/home/ada/data/mine", "url": "https://a.org/b"}}
    shown = {"seeds": [0], "source": {"root": "…/mine", "url": "https://a.org/b"}}
    assert portable(settings) == shown
    assert portable({"root": "data/mine", "weights": None}) == {
        "root": "data/mine",
        "weights": None,
    }
