"""The settings of a run: the defaults, then a data set's own, checked before any work starts.

Read by the Snakefile at every start, so it imports neither torch nor numpy. What a setting may be
stands in `schemas/config.schema.yaml`; what it is by default, and why, in `config.yaml`.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from isic.errors import InputError

Settings = dict[str, Any]

# JSON Schema takes 32.0 for an integer; a command line does not.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
WEIGHTS = re.compile(r"(\w+)_Weights\.\w+")


def check(config: Mapping[str, Any], schema_path: str | os.PathLike[str]) -> dict[str, Settings]:
    """Complete settings of each data set of `config`, which has the keys `defaults` and `datasets`.

    Raises:
        InputError: a line for each setting that is unknown, out of range, missing, or at odds with
            another, beginning with its path (`datasets.birds.classifier.epochs: …`).
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    errors = sorted(
        Validator(schema).iter_errors(config), key=lambda error: [*map(str, error.path)]
    )
    problems = [line for error in errors for line in _explain(error)]
    if problems:
        raise InputError("\n".join(problems))
    known = schema["$defs"]["settings"]["properties"]
    datasets = {name: merge(config["defaults"], own) for name, own in config["datasets"].items()}
    for name, settings in datasets.items():
        problems += [f"datasets.{name}.{line}" for line in _missing(settings, known)]
        # What depends on several settings is looked at once all of them are there.
        if not problems:
            problems += [f"datasets.{name}.{line}" for line in _conflicts(settings)]
    if problems:
        raise InputError("\n".join(problems))
    return datasets


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Settings:
    """A copy of `base` with `changes` in it: sections are merged, values and lists replaced."""
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def options(settings: Mapping[str, Any]) -> str:
    """Settings as command-line options, quoted for the shell.

    `{"batch_size": 64}` gives `--batch-size 64`, a truth value `--name` or `--no-name`; lists are
    joined with commas, and a setting that is None is left out.
    """
    words: list[str] = []
    for name, value in settings.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            words += [f"--{name}", text]
    return shlex.join(words)


def portable(settings: Mapping[str, Any]) -> Settings:
    """A copy that can be shown to others: of an absolute path only the last part."""
    return {name: _portable(value) for name, value in settings.items()}


def _portable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return portable(value)
    absolute = isinstance(value, str) and Path(value).is_absolute()
    return f"…/{Path(value).name}" if absolute else value


def named_weights(weights: str) -> bool:
    """Whether `weights` is a torchvision name (`ResNet50_Weights.IMAGENET1K_V1`), not a file."""
    return WEIGHTS.fullmatch(weights) is not None


@cache
def torchvision_names() -> tuple[frozenset[str], frozenset[str]]:
    """Networks and weights that the installed torchvision has, read from its source text.

    Importing it would cost seconds at every start. Both sets are empty where it is not installed
    (the jobs may run elsewhere); the names are then not checked.
    """
    spec = importlib.util.find_spec("torchvision")
    networks: set[str] = set()
    weights: set[str] = set()
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder, "models").glob("*.py"):
            text = path.read_text(encoding="utf-8")
            networks.update(re.findall(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)", text, re.M))
            for name, body in re.findall(
                r"^class (\w+_Weights)\(WeightsEnum\):\n((?:[ \n].*\n?)*)", text, re.M
            ):
                members = re.findall(r"^    (\w+) = Weights\(", body, re.M)
                weights.update(f"{name}.{member}" for member in members)
    return frozenset(networks), frozenset(weights)


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    """A line for each setting that one schema error is about."""
    path = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(map(str, set(error.instance) - set(known))):
            yield f"{path}.{name}: unknown setting{_suggest(name, known)}".lstrip(".")
    elif error.validator == "required":
        names = set(error.validator_value) - set(error.instance)
        yield from (f"{path}.{name}: missing".lstrip(".") for name in sorted(names))
    elif error.validator == "pattern":
        yield f"{path}: {error.instance!r} is not {error.schema['description']}"
    elif error.validator == "type" and _is_number(error.instance):
        # YAML 1.1 takes 1e-4 for text.
        yield f"{path}: {error.instance!r} is text; write it as {float(error.instance)!r}"
    else:
        yield f"{path}: {error.message}"


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False


def _suggest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"


def _missing(settings: Settings, known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, schema in known.items():
        if name not in settings:
            yield f"{path}{name}: missing; give it here or in defaults"
        elif "properties" in schema:
            yield from _missing(settings[name], schema["properties"], f"{path}{name}.")


def _conflicts(settings: Settings) -> Iterator[str]:
    """What no single setting can be blamed for, as `path: reason`."""
    source, masks = settings["source"], settings["masks"]
    if source["type"] != "birds" and not source["root"]:
        if not source["url"]:
            yield "source.root: missing; give the folder that holds the images, or source.url"
        elif not source["checksum"]:
            yield "source.checksum: missing; give the archive's, as sha256:HEX or md5:HEX"
    for name in ("images", "recognizer"):
        crop, resize = settings[name]["crop"], settings[name]["resize"]
        if crop > resize:
            yield f"{name}.crop: {crop} is greater than {name}.resize, {resize}"
    if masks["background"] >= masks["foreground"]:
        yield (
            f"masks.background: {masks['background']} is not less than masks.foreground, "
            f"{masks['foreground']}"
        )
    classifier = settings["classifier"]
    if classifier["weights"] == "none" and classifier["batches"] == "similar":
        yield (
            "classifier.batches: similar needs S before any training, and so pretrained weights; "
            "with weights: none set it to random"
        )
    recognizer = settings["recognizer"]
    if recognizer["backbone"] and not recognizer["epochs"] and recognizer["weights"] == "none":
        yield "recognizer.weights: none; with epochs: 0 nothing is trained, so name weights"
    for name in ("classifier", "segmenter", "recognizer"):
        if settings[name]["backbone"] is not None:
            yield from (f"{name}.{line}" for line in network_conflicts(settings[name]))


def network_conflicts(section: Mapping[str, Any]) -> Iterator[str]:
    """Backbone or weights that torchvision does not have, and weights of another backbone."""
    networks, known_weights = torchvision_names()
    backbone, weights = section["backbone"], section["weights"]
    if networks and backbone not in networks:
        close = difflib.get_close_matches(backbone, sorted(networks), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"backbone: torchvision has no network {backbone}{hint}"
    elif match := WEIGHTS.fullmatch(weights):
        if match[1].lower().replace("_", "") != backbone.replace("_", ""):
            yield f"weights: {weights} is not of the backbone {backbone}"
        elif known_weights and weights not in known_weights:
            own = sorted(name for name in known_weights if name.startswith(f"{match[1]}_Weights."))
            yield f"weights: torchvision has no {weights}; for {backbone} it has {', '.join(own)}"
