"""Arguments and options out of a function's signature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import click
import pytest

from isic.commands.options import File, parameters, whole
from isic.settings.declare import Setting


@dataclass(frozen=True, kw_only=True)
class Section:
    rate: Annotated[float, Setting("a rate", above=0, most=1)] = 0.5
    names: Annotated[tuple[Literal["a", "b"], ...], Setting("names")] = ("a",)
    weights: Annotated[str, Setting("weights")] = "none"


def stage(
    source: Annotated[Path, File("What is read.")],
    output: Annotated[Path, File("What is written.", writes=True)],
    settings: Section,
    *,
    kind: Annotated[Literal["cam", "nmf"], Setting("of maps")],
    curves: Annotated[list[tuple[str, Path]] | None, File("Curves.")] = None,
    weights: Annotated[Path | None, File("Weights.")] = None,
    fast: Annotated[bool, Setting("no pause")] = False,
) -> None:
    """A stage."""


def called(*words: str) -> dict:
    context = click.Command("stage", params=parameters(stage)).make_context("stage", [*words])
    return whole(stage, context.params)


def test_a_section_comes_whole_and_an_option_of_its_name_takes_a_settings_place() -> None:
    assert called("a", "b", "--kind", "cam") == {
        "source": Path("a"),
        "output": Path("b"),
        "settings": Section(),
        "kind": "cam",
        "curves": (),
        "weights": None,
        "fast": False,
    }
    given = called("a", "b", "--kind", "nmf", "--rate", "1", "--names", "b,a", "--weights", "w")
    assert given["settings"] == Section(rate=1.0, names=("b", "a"))
    assert given["weights"] == Path("w")


def test_named_paths_may_hold_an_equals_sign_between_spaces() -> None:
    given = called("a", "b", "--kind", "cam", "--curves", "λ = 0=x.csv", "--curves", "B=y=z.csv")
    assert given["curves"] == (("λ = 0", Path("x.csv")), ("B", Path("y=z.csv")))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "Missing option '--kind'"),
        (["a", "--kind", "cam"], "Missing argument 'OUTPUT'"),
        (["a", "b", "--kind", "x"], "'x' is not one of 'cam', 'nmf'"),
        (["a", "b", "--kind", "cam", "--rate", "0"], "0.0 is not in the range 0<x<=1"),
        (["a", "b", "--kind", "cam", "--names", "a,c"], "'c' is not one of 'a', 'b'"),
        (["a", "b", "--kind", "cam", "--curves", "x.csv"], "write NAME=PATH"),
    ],
)
def test_wrong_options_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        called(*words)
    assert message in caught.value.format_message()
