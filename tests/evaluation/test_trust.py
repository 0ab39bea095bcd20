"""How far to trust: pseudo-masks, directions, and what the confidence is worth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isic import InputError
from isic.evaluation.figures.drawing import save
from isic.evaluation.figures.risk_coverage import FEWEST
from isic.evaluation.figures.risk_coverage import risk_coverage as draw
from isic.evaluation.trust import (
    UNLIKE,
    class_table,
    confidence_and_hits,
    halves,
    likeness,
    risk_coverage,
)
from isic.storage.tables import write_csv


def test_a_direction_is_compared_with_the_others() -> None:
    directions = np.array([[1, 1, 0], [2, 2, 0], [0, 0, 1], [0, 0, 0]], float)
    cosines = likeness(directions)
    assert cosines[0] == pytest.approx(np.sqrt(0.5))  # with (1, 1, 0)/√2 + (0, 0, 1)
    assert cosines[2] == cosines[3] == 0
    assert np.isnan(likeness(directions[:1])).all()
    assert likeness(np.zeros((2, 3))).tolist() == [0, 0]
    assert np.array_equal(likeness(np.array([[1.0, 0], [0, 0]])), [np.nan, 0], equal_nan=True)
    assert likeness(np.array([[3.0, 4.0], [1.0, 0.0]])).tolist() == pytest.approx([0.6, 0.6])
    assert likeness(np.array([[1.0, 2.0]] * 5)) == pytest.approx(1)


@given(
    arrays(np.float64, (4, 3), elements=st.floats(0, 1).map(lambda x: round(x, 3))),
    st.permutations(range(4)),
    st.floats(0.1, 10),
)
def test_likeness_goes_by_direction_alone(
    directions: np.ndarray, order: list[int], factor: float
) -> None:
    cosines = likeness(directions)
    known = cosines[~np.isnan(cosines)]
    assert ((known >= 0) & (known <= 1 + 1e-9)).all()
    np.testing.assert_allclose(likeness(directions[order]), cosines[order], atol=1e-9)
    lengths = factor ** np.arange(4)[:, None]
    np.testing.assert_allclose(likeness(directions * lengths), cosines, atol=1e-9)


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
    assert table["empty"].tolist() == [0.05, 0.1, 0, 0]
    assert table["whole"].tolist() == [0, 0, 0.1, 0.05]
    nothing = class_table(["a"], np.zeros(3, int), np.full(3, 0.3), np.array([np.nan]))
    assert nothing["warnings"].tolist() == [[]]


def test_a_dead_class_is_warned_of_twice() -> None:
    cosines = likeness(np.array([[1.0, 0], [1, 0], [0, 0]]))
    table = class_table(
        list("abc"), np.repeat([0, 1, 2], 2), np.array([0.2] * 4 + [0] * 2), cosines
    )
    assert [len(texts) for texts in table["warnings"]] == [0, 0, 2]
    assert table["warnings"][2][0] == "100% of its pseudo-masks are empty"
    assert "(cosine 0.00)" in table["warnings"][2][1]
    assert table["share"].tolist() == [0.2, 0.2, 0]
    at_the_bound = class_table(["a"], np.zeros(1, int), np.array([0.95]), np.array([UNLIKE]))
    assert at_the_bound["warnings"][0] == []


def test_risk_is_the_share_of_misses_among_those_kept() -> None:
    confidence = np.array([0.9, 0.2, 0.7, 0.7, -1])
    hits = np.array([True, True, True, False, False])
    table = risk_coverage(confidence, hits)
    assert table["kept"].tolist() == [1, 3, 4, 5]  # equal ones together
    assert table["coverage"].tolist() == [0.2, 0.6, 0.8, 1]
    assert table["risk"].tolist() == pytest.approx([0, 1 / 3, 1 / 4, 2 / 5])
    assert table["confidence"].tolist() == [0.9, 0.7, 0.2, -1]
    assert halves(confidence, hits) == (1.0, 1 / 3)


def test_a_perfect_ranking_misses_nothing_until_it_must() -> None:
    hits = np.array([True, True, True, False])
    table = risk_coverage(np.array([0.9, 0.8, 0.7, 0.1]), hits)
    assert table["risk"].tolist() == pytest.approx([0, 0, 0, 1 / 4])
    assert halves(np.array([0.9, 0.8, 0.7, 0.1]), hits) == (1.0, 0.5)
    reverse = risk_coverage(np.array([0.1, 0.2, 0.3, 0.9]), hits)
    assert reverse["risk"].tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])


def test_where_all_are_equally_sure_all_are_kept() -> None:
    table = risk_coverage(np.full(5, 0.5), np.array([True, False, False, True, True]))
    assert table.to_numpy().tolist() == [pytest.approx([5, 1, 0.5, 2 / 5])]


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_the_order_of_the_images_changes_nothing(data, images: list[tuple[int, bool]]) -> None:
    def curve(images: list[tuple[int, bool]]) -> pd.DataFrame:
        values, hits = zip(*images, strict=True)
        return risk_coverage(np.array(values, float), np.array(hits))

    pd.testing.assert_frame_equal(curve(images), curve(data.draw(st.permutations(images))))


@settings(deadline=None)
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


def test_half_an_overlap_is_a_miss() -> None:
    index = pd.DataFrame({"image_id": ["a", "b"], "split": "test"})
    truth = pd.DataFrame({"image_id": ["a", "b"], "x0": 0, "y0": 0, "x1": 10, "y1": 10})
    found = truth.assign(confidence=0.5, y1=[5, 6])
    assert confidence_and_hits(index, truth, found)["test"][1].tolist() == [False, True]


def test_a_split_without_truth_is_left_out() -> None:
    index, truth, found = tables()
    found = found.rename(columns={"c": "confidence"})
    assert list(confidence_and_hits(index, truth[truth["image_id"] != "f"], found)) == ["train"]
    confidence, hits = confidence_and_hits(index, truth, found[:0])["train"]
    assert confidence.tolist() == [-1] * 4
    assert not hits.any()


def test_the_figure_begins_where_there_are_images_enough(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    curves = {
        split: risk_coverage(rng.random(n), rng.random(n) < 0.7)
        for split, n in (("train", 100), ("test", 40), ("few", 5))
    }
    figure = draw(curves)
    (axes,) = figure.axes
    named = {line.get_label(): line for line in axes.lines if line.get_label().endswith("images")}
    assert list(named) == ["train images", "test images", "few images"]
    for split, line in zip(curves, named.values(), strict=True):
        kept, last = curves[split]["kept"], curves[split].iloc[-1]
        x, y = line.get_data()
        assert x[0] == pytest.approx(100 * min(FEWEST, len(kept)) / len(kept))
        assert (x[-1], y[-1]) == (100, pytest.approx(100 * last["risk"]))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(named)
    for name in ("a.png", "b.png"):
        save(draw(curves), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


COMMAND = "figure risk-coverage index.csv truth.csv boxes.csv out.csv out.png"


def test_the_command_writes_a_table_and_a_figure(tmp_path: Path, monkeypatch, isic) -> None:
    index, truth, found = tables()
    index = pd.concat([index, index.assign(image_id=index["image_id"] + "2", split="test")])
    truth = pd.concat([truth, truth.assign(image_id=truth["image_id"] + "2")])
    for name, table in (("index", index), ("truth", truth)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found.rename(columns={"c": "confidence"}).to_csv(tmp_path / "boxes.csv", index=False)
    monkeypatch.chdir(tmp_path)
    done = isic(*COMMAND.split())
    assert done.status == 0
    _, *lines = done.output
    assert lines[0] == (
        "train: 50.0% of 4 images hit; 50.0% of the more confident half, 50.0% of the rest"
    )
    assert lines[1].startswith("test: 16.7% of 6 images hit")
    table = pd.read_csv("out.csv")
    assert list(table.columns) == ["kept", "coverage", "confidence", "risk", "split"]
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    found = found.rename(columns={"c": "confidence"})
    for split, part in confidence_and_hits(index, truth, found).items():
        rows = table[table["split"] == split].drop(columns="split").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, risk_coverage(*part))


@pytest.mark.parametrize(
    ("missing", "message"),
    [("truth", "no image has a true box"), ("boxes", "boxes.csv"), ("confidence", "confidence")],
)
def test_what_cannot_be_scored_is_one_line(
    missing: str, message: str, tmp_path: Path, monkeypatch, isic
) -> None:
    index, truth, found = tables()
    monkeypatch.chdir(tmp_path)
    write_csv(index, "index.csv")
    write_csv(truth[:0] if missing == "truth" else truth, "truth.csv")
    if missing != "boxes":  # of `isic boxes` they have a score
        score = "score" if missing == "confidence" else "confidence"
        write_csv(found.rename(columns={"c": score}), "boxes.csv")
    done = isic(*COMMAND.split())
    assert done.status == 1
    assert message in done.only_line
    assert not Path("out.csv").exists()
    assert not Path("out.png").exists()
