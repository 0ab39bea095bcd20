"""A randomly damaged index or table of boxes: valid, or refused in a line that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fuzz import FEW, NAME, refused
from hypothesis import given
from hypothesis import strategies as st

from isic.data.index import INDEX_COLUMNS, TRUTH_COLUMNS, read_index, read_truth
from isic.storage.tables import write_csv

GOOD = (
    b"image_id,split,class,width,height,digest\n"
    b"a/1.jpg,train,a,40,30,00\nb/2.jpg,train,b,41,31,01\na/3.jpg,test,a,42,32,02\n"
)
TRUTH = b"image_id,x0,y0,x1,y1\na/1.jpg,1,2,10,20\nb/2.jpg,0.5,1e1,40,31\n"


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
