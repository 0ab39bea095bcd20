"""Randomly damaged settings: taken, or refused by name."""

from __future__ import annotations

import copy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz import FEW, NAME, refused
from hypothesis import given
from hypothesis import strategies as st

from isic.errors import InputError
from isic.settings.check import check
from isic.settings.jobs import options

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def places(settings: Any, path: tuple = ()) -> list[tuple]:
    """The path of each setting."""
    if not isinstance(settings, dict):
        return [path]
    inner = [place for key, value in settings.items() for place in places(value, (*path, key))]
    return [path, *inner] if path else inner


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3) | st.integers(), st.integers(), max_size=2),
)


@FEW
@given(data=st.data())
def test_damaged_settings_are_taken_or_refused_by_name(data: st.DataObject):
    config = copy.deepcopy(CONFIG)
    place = data.draw(st.sampled_from(places(config)))
    section = config
    for key in place[:-1]:
        section = section[key]
    key = data.draw(st.just(place[-1]) | st.text(max_size=5) | st.integers())
    section[key] = data.draw(VALUES)
    checked, refusal = refused(check, config)
    if checked is None:
        assert all(line.strip() for line in refusal.splitlines())
        assert any(name in refusal for name in (str(place[0]), str(key), repr(key)))


@FEW
@given(values=st.dictionaries(st.sampled_from(["a", "b_c"]), NAME | st.integers() | st.floats()))
def test_options_come_back_whole_from_the_shell(values: dict[str, Any]):
    words = shlex.split(options(values))
    assert words[1::2] == [str(value) for value in values.values()]
    assert words[::2] == [f"--{name.replace('_', '-')}" for name in values]


@pytest.mark.parametrize("config", [None, [], "text", {}, {"datasets": None}, {"defaults": 1}])
def test_settings_that_are_no_settings(config: Any):
    with pytest.raises(InputError):
        check(config)
