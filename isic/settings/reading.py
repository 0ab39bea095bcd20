"""Settings as they are written: text that stands for a number, one value for a list, `~`.

Snakemake hands over every number and truth value of `--config` as text, and YAML 1.1 takes 1e-4 for
text: what is exactly a value of the asked kind counts as one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from isic.settings.declare import Declared, settings_of

WHOLE = re.compile(r"[+-]?\d+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
TRUTH = {"true": True, "false": False}


def as_declared(values: Any, section: type, parts: Mapping[str, type] | None = None) -> Any:
    """Values of a section, and of the sections in it, in which each has the asked kind if it says
    exactly one; another kind is left as it is, to be refused."""
    if not isinstance(values, Mapping):
        return values
    known = {one.name: one for one in settings_of(section)}
    return {
        name: _value(value, known[name])
        if name in known
        else as_declared(value, parts[name])
        if parts and name in parts
        else value
        for name, value in values.items()
    }


def _value(value: Any, one: Declared) -> Any:
    if one.optional and one.name != "root" and value == "null":
        return None
    if not one.many:
        return _item(value, one)
    if isinstance(value, str | int | float):  # one value for a list of one
        value = [value]
    return [_item(item, one) for item in value] if isinstance(value, list) else value


def _item(value: Any, one: Declared) -> Any:
    if not isinstance(value, str):
        return value
    if one.setting.path:
        return os.path.expanduser(value)
    if one.kind is bool:
        return TRUTH.get(value.lower(), value)
    if one.kind is int and WHOLE.fullmatch(value):
        return int(value)
    if one.kind is float and NUMBER.fullmatch(value):
        return float(value)
    return value
