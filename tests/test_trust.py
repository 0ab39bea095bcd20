"""How far to trust: pseudo-masks, directions, and what the confidence is worth."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isic import InputError
from isic.cli import main
from isic.trust import (
    class_table,
    confidence_and_hits,
    halves,
    likeness,
    risk_coverage,
    sharpness,
)


def test_a_mask_is_sharp_as_far_as_nothing_is_left_out() -> None:
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[0, :4] = 1
    masks[1, :2], masks[1, 2:4] = 1, 255
    masks[2] = 255
    assert sharpness(masks).tolist() == [1, 0.5, 0, 0]


def test_a_direction_is_compared_with_the_others() -> None:
    directions = np.array([[1, 1, 0], [2, 2, 0], [0, 0, 1], [0, 0, 0]], float)
    cosines = likeness(directions)
    assert cosines[0] == pytest.approx(np.sqrt(0.5))  # with (1, 1, 0)/√2 + (0, 0, 1)
    assert cosines[2] == cosines[3] == 0
    assert np.isnan(likeness(directions[:1])).all()


def test_each_warning_arises_and_only_then() -> None:
    labels = np.repeat([0, 1, 2, 3], 20)
    shares = np.full(80, 0.3)
    shares[20:22] = 0
    shares[40:42] = 0.99
    shares[0], shares[61] = 0, 0.96  # one in twenty is not many
    table = class_table(list("abcd"), labels, shares, np.array([0.9, 0.8, 0.7, 0.1]))
    texts = dict(zip(table["class"], table["warnings"], strict=True))
    assert texts["a"] == []
    assert texts["b"] == ["10% of its pseudo-masks are empty"]
    assert texts["c"] == ["10% of its pseudo-masks take the whole image for object"]
    assert len(texts["d"]) == 1
    assert "unlike the other classes' (cosine 0.10)" in texts["d"][0]
    assert table["masks"].tolist() == [20] * 4
    nothing = class_table(["a"], np.zeros(3, int), np.full(3, 0.3), np.array([np.nan]))
    assert nothing["warnings"].tolist() == [[]]


def test_risk_is_the_share_of_misses_among_those_kept() -> None:
    confidence = np.array([0.9, 0.2, 0.7, 0.7, -1])
    hits = np.array([True, True, True, False, False])
    table = risk_coverage(confidence, hits)
    assert table["kept"].tolist() == [1, 3, 4, 5]  # equal ones together
    assert table["coverage"].tolist() == [0.2, 0.6, 0.8, 1]
    assert table["risk"].tolist() == pytest.approx([0, 1 / 3, 1 / 4, 2 / 5])
    assert table["confidence"].tolist() == [0.9, 0.7, 0.2, -1]
    assert halves(confidence, hits) == (1.0, 1 / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=50))
def test_coverage_rises_to_all_and_risk_to_the_misses(images: list[tuple[float, bool]]) -> None:
    confidence = np.array([value for value, _ in images])
    hits = np.array([hit for _, hit in images])
    table = risk_coverage(confidence, hits)
    assert table["coverage"].is_monotonic_increasing
    assert table["confidence"].is_monotonic_decreasing
    assert table["coverage"].iloc[-1] == 1
    assert table["risk"].iloc[-1] == pytest.approx(1 - hits.mean())
    perfect = risk_coverage(hits.astype(float), hits)
    if hits.any():
        assert perfect["risk"].iloc[0] == 0


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Six images: a hit, a miss, nothing found, a hit on the second true box, no truth, test."""
    index = pd.DataFrame({"image_id": list("abcdef"), "split": ["train"] * 5 + ["test"]})
    index = index.assign(**{"class": "x"}, width=100, height=100, digest="0")
    truth = [("a", 0, 0, 10, 10), ("b", 0, 0, 10, 10), ("c", 0, 0, 10, 10), ("d", 0, 0, 10, 10)]
    truth += [("d", 50, 50, 90, 90), ("f", 5, 5, 20, 20)]
    found = [("a", 0, 0, 9, 9, 0.8), ("b", 5, 5, 15, 15, 0.9), ("d", 52, 50, 90, 90, 0.4)]
    found += [("a", 50, 50, 60, 60, 0.99), ("e", 0, 0, 1, 1, 1.0), ("f", 5, 5, 20, 20, 0.5)]
    corners = ["image_id", "x0", "y0", "x1", "y1"]
    return index, pd.DataFrame(truth, columns=corners), pd.DataFrame(found, columns=[*corners, "c"])


def test_an_images_first_box_counts_where_there_is_truth() -> None:
    index, truth, found = tables()
    parts = confidence_and_hits(index, truth, found.rename(columns={"c": "confidence"}))
    assert parts["train"][0].tolist() == [0.8, 0.9, -1, 0.4]
    assert parts["train"][1].tolist() == [True, False, False, True]
    assert parts["test"][1].tolist() == [True]
    with pytest.raises(InputError, match="nothing can be scored"):
        confidence_and_hits(index, truth[:0], found.rename(columns={"c": "confidence"}))


def test_the_command_writes_a_table_and_a_figure(tmp_path: Path, monkeypatch, capsys) -> None:
    index, truth, found = tables()
    index = pd.concat([index, index.assign(image_id=index["image_id"] + "2", split="test")])
    truth = pd.concat([truth, truth.assign(image_id=truth["image_id"] + "2")])
    for name, table in (("index", index), ("truth", truth)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found.rename(columns={"c": "confidence"}).to_csv(tmp_path / "boxes.csv", index=False)
    monkeypatch.chdir(tmp_path)
    words = "isic risk-coverage index.csv truth.csv boxes.csv out.csv out.png"
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "train: 50.0% of 4 images hit; 50.0% of the more confident half, 50.0% of the rest"
    )
    assert lines[1].startswith("test: 16.7% of 6 images hit")
    table = pd.read_csv("out.csv")
    assert list(table.columns) == ["kept", "coverage", "confidence", "risk", "split"]
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
