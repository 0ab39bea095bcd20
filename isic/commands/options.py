"""A command's arguments and options, made of its function's signature.

    def masks(features: Features, output: Output, settings: Masks, size: Resize = Images.resize)

A path, or a text, without a default is an argument, unless it is keyword-only, and so are several
texts; any other parameter is an option. One whose type is a section (`isic.settings.sections`)
stands for an option a setting, and the function gets the section whole; a parameter of a setting's
name takes the setting's place.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from isic.settings.declare import Declared, Setting, declared, hints


@dataclass(frozen=True)
class File:
    """What is said of a path, or, of `list[tuple[str, Path]]`, of several `NAME=PATH`."""

    help: str
    writes: bool = False
    optional: bool = False  # an argument that may be left out


class PathType(click.Path):
    """A path that a command reads or writes."""

    def __init__(self, writes: bool) -> None:
        super().__init__(path_type=Path)
        self.writes = writes


class NamedPath(PathType):
    """`NAME=PATH`; a name may hold an = between spaces, as `λ = 0` does."""

    name = "NAME=PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, *path = re.split(r"(?<! )=(?! )", value, maxsplit=1)
        if not path:
            self.fail(f"{value!r}: write NAME=PATH.", param, ctx)
        return name, Path(path[0])


class Several(click.ParamType[Any]):
    """Values of a setting that is a list, by commas."""

    name = "LIST"

    def __init__(self, of: click.ParamType[Any]) -> None:
        self.of = of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        return tuple(self.of.convert(part.strip(), param, ctx) for part in value.split(","))


def parameters(function: Callable[..., Any]) -> list[click.Parameter]:
    """The arguments and options of a command's function."""
    found: list[click.Parameter] = []
    signature = inspect.signature(function).parameters
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            found += _options_of(typing.cast(type, hint), signature)
        elif name in signature:
            one = signature[name]
            found.append(_parameter(name, hint, one.default, one.kind is not one.KEYWORD_ONLY))
    return found


def whole(function: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    """The function's arguments from the values of its options: sections put together."""
    arguments = dict(values)
    for name, hint in typing.get_type_hints(function).items():
        if dataclasses.is_dataclass(hint):
            own = {field.name for field in dataclasses.fields(hint)} - set(
                inspect.signature(function).parameters
            )
            section = typing.cast(Any, hint)
            arguments[name] = section(**{one: arguments.pop(one) for one in sorted(own)})
    return arguments


def _options_of(section: type, taken: typing.Container[str]) -> Iterator[click.Parameter]:
    for field in dataclasses.fields(section):
        if field.name not in taken:
            yield _parameter(field.name, hints(section)[field.name], field.default)


def _parameter(name: str, hint: Any, default: Any, positional: bool = False) -> click.Parameter:
    kind, said = typing.get_args(hint)
    required = default in (inspect.Parameter.empty, dataclasses.MISSING)
    if isinstance(said, Setting):
        one = declared(hint, name, None if required else default)
        return _option(one, required, positional)
    many = typing.get_origin(kind) is list or any(
        typing.get_origin(part) is list for part in typing.get_args(kind)
    )
    of = NamedPath if "tuple" in str(kind) else PathType
    if required and positional and of is PathType:
        return click.Argument(
            [name], type=of(said.writes), nargs=-1 if many else 1, required=True, help=said.help
        )
    if said.optional:
        return click.Argument([name], type=of(said.writes), required=False, help=said.help)
    # click takes a default of None for a value that is given.
    given = {"required": True} if required else {} if many else {"default": default}
    return click.Option([_flag(name)], type=of(said.writes), multiple=many, help=said.help, **given)


def _option(one: Declared, required: bool, positional: bool) -> click.Parameter:
    """An option for a setting, or an argument."""
    if one.kind is bool:
        flag = f"{_flag(one.name)}/--no-{one.name.replace('_', '-')}"
        return click.Option([flag], default=one.default, help=one.setting.help, show_default=True)
    kind = _type(one)
    if positional and one.kind is str and (required or one.many):
        nargs = -1 if one.many else 1
        return click.Argument(
            [one.name], type=kind, nargs=nargs, required=required, help=one.setting.help
        )
    shown = {"default": one.default, "show_default": one.default is not None}
    given = {"required": True} if required else shown
    kind = Several(kind) if one.many else kind
    return click.Option([_flag(one.name)], type=kind, help=one.setting.help, **given)


def _type(one: Declared) -> click.ParamType[Any]:
    said = one.setting
    bounds: dict[str, Any] = {
        "min": said.least if said.above is None else said.above,
        "max": said.most if said.below is None else said.below,
        "min_open": said.above is not None,
        "max_open": said.below is not None,
    }
    if one.choices:
        return click.Choice(one.choices)
    if one.kind is int:
        return click.IntRange(**bounds)
    return click.FloatRange(**bounds) if one.kind is float else click.STRING


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
