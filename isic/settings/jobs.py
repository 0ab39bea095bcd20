"""The options of each job's command, one string for the shell: what a stage gets of the settings.

A stage is given the settings that it uses and no others, so that a change of one reruns its users.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

from isic.settings import runs
from isic.settings.check import portable
from isic.settings.declare import settings_of
from isic.settings.sections import Birds, Images, Plain, Recognizer, Settings

K = 5  # classes an image that top-k names


def options(values: Mapping[str, Any]) -> str:
    """Command-line options, quoted for the shell.

    `{"batch_size": 64}` gives `--batch-size 64`, a truth value `--name` or `--no-name`; lists are
    joined with commas, and what is None is left out.
    """
    words: list[str] = []
    for name, value in values.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            words += [f"--{name}", text]
    return shlex.join(words)


def section(values: Any, kind: type | None = None) -> dict[str, Any]:
    """A section's settings, or those that one of its base classes declares."""
    return {one.name: getattr(values, one.name) for one in settings_of(kind or type(values))}


def named(option: str, files: Mapping[str, str] | list[tuple[str, str]]) -> str:
    """`--option NAME=PATH` once for each."""
    pairs = files.items() if isinstance(files, Mapping) else files
    return " ".join(options({option: f"{name}={path}"}) for name, path in pairs)


def source(own: Settings) -> str:
    return options(section(own.source, Birds))


def unpack(own: Settings) -> str:
    return options({"checksum": own.source.checksum})


def layout(own: Settings) -> str:
    """How the data set's folder is laid out."""
    return "folder" if own.source.type == "birds" else own.source.type


def index(own: Settings) -> str:
    return options({"type": layout(own), "unreadable": own.images.unreadable})


def truth(own: Settings) -> str:
    return options({"type": layout(own)})


def images(own: Settings, resize: int | str) -> str:
    """Where only a network that is not trained here sees a size, the images that get boxes are
    enough."""
    for_topk = int(resize) != own.images.resize and own.recognizer.epochs == 0
    return f"--resize {resize} --store {own.images.store}{' --tested' * for_topk}"


def image_shard(own: Settings, resize: int | str, shard: int | str) -> str:
    return f"{images(own, resize)} --shard {shard} --shards {own.images.shards}"


def similarity(own: Settings) -> str:
    pretrained = own.classifier.weights != "none"
    view = {"crop": own.images.crop, "backbone": own.classifier.backbone if pretrained else None}
    return options(section(own.similarity) | view | threads(own))


def threads(own: Settings) -> dict[str, int]:
    """What the computations of a data set have in common."""
    return {"threads": own.threads}


def _training(own: Settings, seed: int | str) -> dict[str, Any]:
    """What the trainings of a data set's networks have in common."""
    shared = {"seed": seed, "crop": own.images.crop, "deterministic": own.deterministic}
    return shared | threads(own)


def classifier(own: Settings, arm: str) -> str:
    """The arm's λ, γ and seed, and the section's others; at λ = 0 no γ, which is about ICFS."""
    swept = runs.values(arm)
    icfs = {"lam": swept["lambda"], "gamma": swept.get("gamma"), "weights": None}
    return options(section(own.classifier) | icfs | _training(own, swept["seed"]))


def plain(own: Settings, seed: int | str) -> str:
    """The plain network is trained as the classifier is, on batches drawn at random."""
    same = [one.name for one in settings_of(Plain) if hasattr(own.classifier, one.name)]
    values = {name: getattr(own.classifier, name) for name in same}
    size = own.classifier.classes_per_batch, own.classifier.images_per_class
    return options(values | {"batch_size": math.prod(size)} | _training(own, seed))


def recognizer(own: Settings) -> str:
    values = section(own.recognizer, Plain) | _training(own, own.seeds[0])
    return options(values | {"crop": own.recognizer.crop})


def segmenter(own: Settings, arm: str) -> str:
    values = section(own.segmenter) | {"weights": None}
    return options(values | _training(own, runs.values(arm)["seed"]))


def features(own: Settings, shard: int | str) -> str:
    return options(
        {
            "shards": own.features.shards,
            "shard": shard,
            "crop": own.images.crop,
            "mirrored": own.features.mirrored,
            "precision": own.classifier.precision,
        }
        | threads(own)
    )


def directions(own: Settings) -> str:
    return options(section(own.directions) | threads(own))


def masks(own: Settings) -> str:
    return options(section(own.masks) | threads(own))


def topk_view(own: Settings) -> Images | Recognizer:
    """Section with the size and crop of the images of the network that names the classes."""
    return own.recognizer if own.recognizer.backbone else own.images


def topk_precision(own: Settings) -> str:
    return (own.recognizer if own.recognizer.backbone else own.classifier).precision


def topk(own: Settings) -> str:
    view = {"crop": topk_view(own).crop, "precision": topk_precision(own)}
    return options({"k": K, **view} | threads(own))


def maps(own: Settings, network: str, kind: str) -> str:
    called = runs.heading(network, kind)
    precision = getattr(own, called.network).precision
    values = {"kind": kind, "crop": own.images.crop, "precision": precision}
    if called.map == "fused":
        values["mirrored"] = own.features.mirrored
    return options(values | threads(own))


def computing(own: Settings) -> str:
    """Where a command takes no other setting."""
    return options(threads(own))


def boxes(own: Settings, network: str, kind: str) -> str:
    return options({"threshold": getattr(own.boxes, runs.heading(network, kind).map)})


def view(own: Settings) -> str:
    return options(section(own.scores) | {"resize": own.images.resize, "crop": own.images.crop})


def scores(own: Settings, network: str, kind: str) -> str:
    """How the run is called in the tables, and how its boxes came about."""
    swept, called = runs.values(network), runs.heading(network, kind)
    heading = {
        "model": called.model,
        "lam": swept.get("lambda"),
        "gamma": swept.get("gamma"),
        "backbone": getattr(own, called.network).backbone,
        "threshold": getattr(own.boxes, called.map),
        "threshold_rule": runs.threshold_rule(own, network, kind),
        "seed": swept["seed"],
    }
    return f"{options(heading)} {view(own)}"


def gamma(own: Settings) -> str:
    return options({"gamma": own.classifier.gamma})


def table1(own: Settings, dataset: str) -> str:
    """Published rows stand beside the data sets that a table of the paper covers, by name."""
    return options({"published": dataset if dataset in ("cub", "imagenet") else "none"})


def table(own: Settings, dataset: str, number: str) -> str:
    """Likewise for Tables 2 to 4."""
    return options({"published": dataset if dataset == "cub" else "none"})


def model(own: Settings) -> str:
    seen = {
        "resize": topk_view(own).resize,
        "crop": topk_view(own).crop,
        "precision": topk_precision(own),
    }
    values = {
        "threshold": own.boxes.segmenter,
        "resize": own.images.resize,
        "crop": own.images.crop,
        "precision": own.segmenter.precision,
    }
    return options(values | {f"recognizer_{name}": value for name, value in seen.items()})


def summary(own: Settings) -> str:
    """The settings, for the page to show; as a parameter, they make it again when one changes."""
    return options({"settings": json.dumps(portable(dataclasses.asdict(own)))})
