"""Random damage: what is read is a valid table or setting, or is refused in a readable line."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as patience
from hypothesis import strategies as st

from isic.data.index import INDEX_COLUMNS, TRUTH_COLUMNS, read_index, read_truth
from isic.errors import InputError
from isic.settings.check import check
from isic.settings.jobs import options
from isic.storage.tables import write_csv

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
FEW = patience(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: "/" not in name and name not in (".", "..") and name.strip() == name
)
GOOD = (
    b"image_id,split,class,width,height,digest\n"
    b"a/1.jpg,train,a,40,30,00\nb/2.jpg,train,b,41,31,01\na/3.jpg,test,a,42,32,02\n"
)
TRUTH = b"image_id,x0,y0,x1,y1\na/1.jpg,1,2,10,20\nb/2.jpg,0.5,1e1,40,31\n"


def refused(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What a function gives, or None and how it refuses."""
    try:
        return function(*arguments), ""
    except InputError as error:
        return None, str(error)


def table_of(read: Callable[[Path], pd.DataFrame], data: bytes, path: Path) -> pd.DataFrame | None:
    """What is read of a file with these bytes; None where one line, naming the file, refuses it."""
    path.write_bytes(data)
    table, refusal = refused(read, path)
    if table is None:
        assert str(path) in refusal
        assert "\n" not in refusal
    return table


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some of them changed, cut out, doubled, or lines exchanged."""
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        kind = draw(st.sampled_from(["cut", "double", "replace", "insert", "lines", "end"]))
        if kind == "cut":
            data = data[:at] + data[to:]
        elif kind == "double":
            data = data[:to] + data[at:]
        elif kind == "replace":
            data = data[:at] + draw(st.binary(max_size=3)) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + draw(st.sampled_from([b",", b"\n", b'"', b"\0", b"nan"])) + data[at:]
        elif kind == "lines":
            data = b"\n".join(draw(st.permutations(data.split(b"\n"))))
        else:
            data = data[:at]
    return data


@FEW
@given(data=damaged(GOOD) | st.binary(max_size=200))
def test_a_damaged_index_is_valid_or_refused(data: bytes, tmp_path: Path):
    table = table_of(read_index, data, tmp_path / "index.csv")
    if table is None:
        return
    assert tuple(table.columns) == INDEX_COLUMNS
    assert len(table)
    assert table["image_id"].is_unique
    assert set(table["split"]) <= {"train", "test"}
    assert (table[["width", "height"]] > 0).all(axis=None)
    for name in table["image_id"]:
        assert (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())


@FEW
@given(data=damaged(TRUTH) | st.binary(max_size=200))
def test_damaged_boxes_are_numbers_or_refused(data: bytes, tmp_path: Path):
    table = table_of(read_truth, data, tmp_path / "truth.csv")
    if table is None:
        return
    assert tuple(table.columns) == TRUTH_COLUMNS
    assert (table.dtypes[list(TRUTH_COLUMNS[1:])] == "float64").all()
    assert np.isfinite(table[list(TRUTH_COLUMNS[1:])]).all(axis=None)


@FEW
@given(names=st.lists(st.tuples(NAME, NAME), min_size=1, max_size=5, unique=True))
def test_an_index_survives_the_trip(names: list[tuple[str, str]], tmp_path: Path):
    """Classes called 007, NA, -x, "a, b" or $(x) among them."""
    rows = [(f"{folder}/{file}", "train", folder, 9, 8, "0f") for folder, file in names]
    table = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
    write_csv(table, tmp_path / "index.csv")
    found = read_index(tmp_path / "index.csv")
    assert found["image_id"].tolist() == table["image_id"].tolist()
    assert found["class"].tolist() == table["class"].tolist()


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
        assert str(place[0]) in refusal or str(key) in refusal


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
