"""isic figure-loss-curves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from isic.commands.arguments import Output
from isic.errors import InputError


def figure_loss_curves(
    output: Output,
    curves: Annotated[
        list[str], typer.Option(help="NAME=curves.csv of an arm; repeat for each seed and arm.")
    ],
) -> None:
    """The classifier's cross-entropy and ICFS by epoch (Figures 4d and 4e)."""
    from isic.evaluation.figures import loss_curves, read_curves, save

    arms = {}
    for name, path in _named("--curves", curves):
        arms.setdefault(name, []).append(read_curves(path))
    save(loss_curves(arms), output)


def _named(option: str, items: list[str]) -> list[tuple[str, Path]]:
    """Values `NAME=PATH` of an option; a name may hold an = between spaces, as `λ = 0` does."""
    parts = [re.split(r"(?<! )=(?! )", item, maxsplit=1) for item in items]
    for item, part in zip(items, parts, strict=True):
        if len(part) < 2:
            raise InputError(f"{option} {item}: write NAME=PATH.")
    return [(name, Path(path)) for name, path in parts]
