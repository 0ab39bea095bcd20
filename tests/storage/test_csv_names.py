"""CSV files: what is written is read again, whatever people call their files."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic.storage.tables import read_csv, write_csv

NAMES = [
    *("a\rb.jpg", "\r", "a\r\nb", "a\nb", " before", "after ", 'q"uo"te', '"', "a,b", "a;b"),
    *(
        "a\tb",
        "NA",
        "null",
        "007",
        "1e3",
        "'",
        "\\",
        'a\\"b',
        "\ufeffx",
        "x\x1ay",
        "#c",
        "\u2028",
        "",
    ),
]


@pytest.mark.parametrize("names", [NAMES, [name for name in NAMES if "\r" not in name]])
def test_every_name_comes_back(tmp_path: Path, names: list[str]) -> None:
    numbers = [1.5, 0.1 + 0.2] + [None] * (len(names) - 2)
    write_csv(pd.DataFrame({"image_id": names, "x": numbers}), tmp_path / "t.csv")
    table = read_csv(tmp_path / "t.csv", ["image_id", "x"])
    assert list(table["image_id"]) == names
    assert list(table["x"])[:3] == ["1.5", "0.30000000000000004", ""]
    assert ('"' in (tmp_path / "t.csv").read_text().partition("\n")[0]) == ("a\rb.jpg" in names)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_csv(pd.DataFrame({"image_id": names, "n": range(len(names))}), path)
    assert list(read_csv(path, ["image_id"])["image_id"]) == names


def test_a_name_that_is_not_utf8_costs_no_table(tmp_path: Path) -> None:
    write_csv([{"problem": "caf\udce9.jpg: cannot be read"}], tmp_path / "t.csv")
    table = read_csv(tmp_path / "t.csv", ["problem"])
    assert list(table["problem"]) == ["caf\\udce9.jpg: cannot be read"]
