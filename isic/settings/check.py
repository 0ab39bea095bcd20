"""The settings of a run: declared defaults, then a data set's own, checked before any work starts.

Read by the Snakefile at every start, so it imports neither torch nor numpy. What a setting may be
and what it is by default stands in `isic/settings/sections.py`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from isic.errors import InputError
from isic.settings.archives import ARCHIVES
from isic.settings.declare import schema_of, settings_of
from isic.settings.networks import network_conflicts
from isic.settings.reading import as_declared
from isic.settings.sections import Birds, Network, Run, Settings, Training

# JSON Schema takes 32.0 for an integer; a command line does not.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
SECTIONS: dict[str, type] = {
    field.name: field.default_factory  # type: ignore[misc]  # a section's class makes its default
    for field in dataclasses.fields(Settings)
    if field.default_factory is not dataclasses.MISSING
}
BIRDS = {one.name for one in settings_of(Birds)}
NAME = r"^(?!weights$)[A-Za-z0-9][A-Za-z0-9.-]*$"  # of a data set: a folder, and no wildcard's end
NAME_FORM = "letters, digits, '.' and '-', beginning with a letter or digit; not 'weights'"
# What a section does not say, it takes from another: which, and the settings concerned.
FOLLOWS = {
    "segmenter": {
        "classifier": [one.name for part in (Network, Training) for one in settings_of(part)]
    },
    "recognizer": {
        "classifier": [one.name for one in settings_of(Training)],
        "images": ["resize", "crop"],
    },
}


@cache
def schema() -> dict[str, Any]:
    """JSON Schema of a configuration."""
    sections = {
        name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {one.name: schema_of(one) for one in settings_of(section)},
        }
        for name, section in SECTIONS.items()
    }
    settings = {
        "type": "object",
        "additionalProperties": False,
        "properties": {one.name: schema_of(one) for one in settings_of(Run)} | sections,
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["datasets"],
        "properties": {
            "defaults": settings,
            "datasets": {
                "type": "object",
                "propertyNames": {"pattern": NAME, "description": NAME_FORM},
                "additionalProperties": settings,
            },
        },
    }


def check(config: Mapping[str, Any]) -> dict[str, Settings]:
    """Complete settings of each data set of `config`, which has the key `datasets`, and `defaults`
    for what is to differ from the declared defaults in all of them.

    Raises:
        InputError: a line for each setting that is unknown, out of range, or at odds with another,
            beginning with its path (`datasets.birds.classifier.epochs: …`).
    """
    if isinstance(config, Mapping):
        config = {**config, "defaults": as_declared(config.get("defaults", {}), Run, SECTIONS)}
        if isinstance(config.get("datasets"), Mapping):
            config["datasets"] = {
                name: as_declared(own, Run, SECTIONS) for name, own in config["datasets"].items()
            }
            if strange := [name for name in config["datasets"] if not isinstance(name, str)]:
                raise InputError(f"datasets.{strange[0]}: is no text; write it in quotes")
    errors = sorted(
        Validator(schema()).iter_errors(config), key=lambda error: [*map(str, error.path)]
    )
    problems = [line for error in errors for line in _explain(error)]
    datasets = {}
    if not problems:  # what depends on several settings is looked at once each is sound
        for name, own in config["datasets"].items():
            stated = merge(config["defaults"], own)
            datasets[name] = complete(stated)
            problems += [f"datasets.{name}.{line}" for line in _conflicts(datasets[name], stated)]
    if problems:
        raise InputError("\n".join(problems))
    return datasets


def complete(stated: Mapping[str, Any]) -> Settings:
    """All settings from those that are stated; others follow another section, or the default."""
    source = stated.get("source", {})
    if not (source.get("root") or source.get("url")):
        stated = merge({"source": ARCHIVES.get(source.get("type", ""), {})}, stated)
    if stated.get("classifier", {}).get("weights") == "none":  # S is not known beforehand
        stated = merge({"classifier": {"batches": "random"}}, stated)
    values: dict[str, Any] = {}
    for name, section in SECTIONS.items():
        followed = {
            one: getattr(values[other], one)
            for other, names in FOLLOWS.get(name, {}).items()
            for one in names
        }
        values[name] = section(**_tuples(followed | stated.get(name, {})))
    run = {one.name: stated[one.name] for one in settings_of(Run) if one.name in stated}
    return Settings(**_tuples(run), **values)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base` with `changes` in it: sections are merged, values and lists replaced."""
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def portable(settings: Any) -> Any:
    """Settings as they can be shown to others: of an absolute path only the last part."""
    if dataclasses.is_dataclass(settings):
        settings = dataclasses.asdict(settings)  # type: ignore[arg-type]  # no class is passed
    if isinstance(settings, Mapping):
        return {name: portable(value) for name, value in settings.items()}
    absolute = isinstance(settings, str) and Path(settings).is_absolute()
    return f"…/{Path(settings).name}" if absolute else settings


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    """A line for each setting that one schema error is about."""
    path = ".".join(map(str, error.absolute_path))
    schema: Any = error.schema  # typed as if an error might be of none
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = schema.get("properties", {})
        for name in sorted(map(str, set(instance) - set(known))):
            shown = name if name.isprintable() else repr(name)  # a line break stays in its line
            yield f"{path}.{shown}: unknown setting{_suggest(name, known)}".lstrip(".")
    elif error.validator == "required":
        names = set(schema["required"]) - set(instance)
        yield from (f"{path}.{name}: missing".lstrip(".") for name in sorted(names))
    elif error.validator == "pattern":
        yield f"{path}: {instance!r} is not {schema['description']}"
    elif error.validator == "type" and (advice := _advice(instance, schema["type"])):
        yield f"{path}: {error.message}; {advice}"
    else:
        yield f"{path}: {error.message}"


def _advice(value: Any, kinds: str | Sequence[str]) -> str:
    """What to write in place of a value of another kind; empty where nobody can tell."""
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "string" in kinds and not isinstance(value, Mapping | list | type(None)):
        return f'write it in quotes, as "{value}" if that is meant'
    if "integer" in kinds and re.fullmatch(r"[+-]?\d+\.0*", str(value)):
        return f"write {int(float(value))}"
    return "write a whole number" * ("integer" in kinds) or "write a number" * ("number" in kinds)


def _suggest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"


def _conflicts(settings: Settings, stated: Mapping[str, Any]) -> Iterator[str]:
    """What no single setting can be blamed for, as `path: reason`."""
    source, masks, classifier = settings.source, settings.masks, settings.classifier
    if source.type != "birds" and not source.root:
        if not source.url:
            yield "source.root: missing; give the folder that holds the images, or source.url"
        elif len(source.checksum or ()) != len(source.url):
            yield "source.checksum: missing; give each archive's, as sha256:HEX or md5:HEX"
    if source.type != "birds" and (drawn := set(stated.get("source", {})) & BIRDS):
        yield f"source.{min(drawn)}: is for type: birds alone; this is {source.type}"
    recognizer = settings.recognizer
    for name, view in (("images", settings.images), ("recognizer", recognizer)):
        used = view is settings.images or recognizer.backbone
        if used and view.crop > view.resize:
            yield f"{name}.crop: {view.crop} is greater than {name}.resize, {view.resize}"
    if masks.background >= masks.foreground:
        yield (
            f"masks.background: {masks.background} is not less than masks.foreground, "
            f"{masks.foreground}"
        )
    if classifier.weights == "none" and classifier.batches == "similar":
        yield (
            "classifier.batches: similar needs S before any training, and so pretrained weights; "
            "with weights: none set it to random"
        )
    if recognizer.backbone and not recognizer.epochs and recognizer.weights == "none":
        yield "recognizer.weights: none; with epochs: 0 nothing is trained, so name weights"
    seen = set()
    for name in ("classifier", "segmenter", "recognizer"):
        network = getattr(settings, name).backbone, getattr(settings, name).weights
        if network[0] is not None and network not in seen:
            yield from (f"{name}.{line}" for line in network_conflicts(*network))
        seen.add(network)
