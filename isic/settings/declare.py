"""How a setting is declared: a typed field of a section, with what may be said of it.

A section is a frozen dataclass whose fields are `Annotated[type, Setting(…)]`. From the declaration
follow the check of a configuration (`isic.settings.check`), the options of the commands
(`isic.commands.options`) and the pages of docs/.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Setting:
    """What is said of a setting besides its name, type and default.

    Attributes:
        help: a line: what it is, its unit, and where its default comes from.
        least, most: bounds that it may reach.
        above, below: bounds that it may not reach.
        pattern: regular expression of a text, `form` in words.
        path: of a file or folder; `~` at its beginning is the user's home.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    pattern: str | None = None
    form: str = ""
    path: bool = False


class Declared(NamedTuple):
    """A setting as its section declares it."""

    name: str
    kind: Any  # int, float, str or bool; of a list, of its items
    choices: tuple[str, ...]  # of a text; none: any
    optional: bool  # whether it may be None
    many: bool  # whether it is a list
    setting: Setting
    default: Any


def declared(hint: Any, name: str = "", default: Any = dataclasses.MISSING) -> Declared:
    """What a type hint `Annotated[type, Setting(…)]` says."""
    hint, setting = typing.get_args(hint)
    parts = typing.get_args(hint)
    optional = types.NoneType in parts
    if optional:
        (hint,) = (part for part in parts if part is not types.NoneType)
    many = typing.get_origin(hint) is tuple
    hint = typing.get_args(hint)[0] if many else hint
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return Declared(name, str if choices else hint, choices, optional, many, setting, default)


@cache
def hints(section: type) -> dict[str, Any]:
    """Type hints of a section's fields, base classes' first."""
    return typing.get_type_hints(section, include_extras=True)


def settings_of(section: type) -> Iterator[Declared]:
    """The settings that a section declares, in order."""
    for field in dataclasses.fields(section):
        yield declared(hints(section)[field.name], field.name, field.default)


def schema_of(one: Declared) -> dict[str, Any]:
    """JSON Schema of a setting's value."""
    kinds = {int: "integer", float: "number", str: "string", bool: "boolean"}
    bounds = {
        "minimum": one.setting.least,
        "maximum": one.setting.most,
        "exclusiveMinimum": one.setting.above,
        "exclusiveMaximum": one.setting.below,
        "pattern": one.setting.pattern,
        "description": one.setting.form or None,
        "minLength": 1 if one.kind is str else None,
    }
    schema: dict[str, Any] = {"type": kinds[one.kind]}
    schema |= {name: value for name, value in bounds.items() if value is not None}
    if one.choices:
        schema = {"enum": [*one.choices]}
    if one.many:
        schema = {"type": "array", "minItems": 1, "uniqueItems": True, "items": schema}
    if one.optional:
        schema["type"] = [schema["type"], "null"]
    return schema
