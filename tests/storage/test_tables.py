"""Tables: what is wrong with one is told for all of its rows."""

from pathlib import Path

import pytest

from isic.data.index import read_index
from isic.errors import InputError
from isic.localization.boxes import read_boxes
from isic.storage.tables import read_csv


def test_every_number_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\nx,2\n1.5,inf\n,3\n4,nan\n5,6\n7,\n")
    with pytest.raises(InputError) as caught:
        read_csv(path, ["a"], {"a": int, "b": float}, ["b"])
    message = str(caught.value)
    assert "6 of 7 rows cannot be used" in message
    assert "a is not a whole number: 3 (line 3; line 4; line 5)" in message
    assert "b is not a finite number: 3 (line 4; line 6; line 8)" in message
    path.write_text("a,b\n1,2\n-3,1e-3\n")
    assert read_csv(path, ["a", "b"], {"a": int, "b": float}).to_numpy().tolist() == [
        [1, 2],
        [-3, 0.001],
    ]


def test_every_wrong_row_of_an_index_is_told(tmp_path: Path) -> None:
    rows = ["train,a,9,9", "train,a,9,9", "val,a,9,9", "test,,9,9", "test,b,0,9", "test,b,9,9"]
    names = ["1", "1", "2", "3", "4", "4"]
    lines = [f"{name},{row},0" for name, row in zip(names, rows, strict=True)]
    (tmp_path / "index.csv").write_text(
        "\n".join(["image_id,split,class,width,height,digest", *lines])
    )
    with pytest.raises(InputError) as caught:
        read_index(tmp_path / "index.csv")
    for words in (
        "named twice: 2 (line 3; line 7)",
        "neither train nor test: 1 (line 4)",
        "no class: 1 (line 5)",
        "no size: 1 (line 6)",
    ):
        assert words in str(caught.value)


def test_every_box_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(
        "image_id,x0,y0,x1,y1,score\na,1,1,0,2,1\nb,1,1,2,2,1\nc,1,3,2,2,1\n"
    )
    with pytest.raises(InputError, match=r"2 of 3 rows .*2 \(line 2: a; line 4: c\)"):
        read_boxes(tmp_path / "boxes.csv")
