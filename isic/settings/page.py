"""docs/settings.md, made of the declarations: `python -m isic.settings.page > docs/settings.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isic.settings.check import FOLLOWS, SECTIONS
from isic.settings.declare import Declared, settings_of
from isic.settings.sections import Run

HEAD = """# Settings

Which settings are there, and what are their defaults? This page is made of
[isic/settings/sections.py](../isic/settings/sections.py), where each is declared once.

A data set states only where it differs ([config.yaml](../config.yaml), or a file of yours given as
`--configfile`); `defaults`, beside `datasets`, changes a default for all data sets.
"paper" is Wei et al., ECCV 2022; "SPOL" is its baseline, Wei et al., CVPR 2021.
"""


def page() -> str:
    """The page's text."""
    lines = [HEAD, *_table("At the top of a data set", Run, ())]
    for name, section in SECTIONS.items():
        followed = FOLLOWS.get(name, {})
        lines += _table(f"`{name}`", section, [f"`{other}`" for other in followed])
    return "\n".join(lines)


def _table(title: str, section: type, followed: Iterable[str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{' '.join((section.__doc__ or '').split())}\n"
    if names := " and ".join(followed):
        yield f"What is not stated here follows {names}, where that has a setting of the name.\n"
    yield "| setting | default | values | |"
    yield "| --- | --- | --- | --- |"
    for one in settings_of(section):
        yield f"| `{one.name}` | {_text(one.default)} | {_values(one)} | {one.setting.help} |"
    yield ""


def _values(one: Declared) -> str:
    said = one.setting
    bounds = {"≥": said.least, ">": said.above, "≤": said.most, "<": said.below}
    text = ", ".join(f"{sign} {value:.10g}" for sign, value in bounds.items() if value is not None)
    text = text or ", ".join(one.choices) or said.form or ("true, false" * (one.kind is bool))
    return f"{text}{'; several' * one.many}{'; or null' * one.optional}".lstrip("; ")


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


if __name__ == "__main__":
    print(page(), end="")
