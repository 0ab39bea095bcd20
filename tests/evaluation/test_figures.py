"""Similarity and loss curves (Figure 4) from small data: what is drawn, nothing cut off, the same
bytes, by command as by function.
"""

from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from drawn import check_drawn, png, texts
from matplotlib.patches import Rectangle

from isic.errors import InputError
from isic.evaluation.figures.loss_curves import loss_curves, read_curves
from isic.evaluation.figures.similarity import similarity
from isic.method.similarity import read_similarity


def blocks(*sizes, seed=0):
    """S of shuffled blocks of alike classes, and their names, which tell the block."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(sizes)), sizes)
    matrix = np.where(block[:, None] == block, 0.7, -0.3) + rng.uniform(-0.1, 0.1, [len(block)] * 2)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    order = rng.permutation(len(block))
    names = [f"{i + 1:03d}.American_Three_toed_{'ABCDE'[block[k]]}{k}" for i, k in enumerate(order)]
    return matrix[np.ix_(order, order)], names


def borders(labels):
    """How often the block changes from one label to the next."""
    return sum(a[-2] != b[-2] for a, b in pairwise(labels))


def outlines(axes):
    """Row and column of each outlined cell of a matrix."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    centres = (p.get_xy() + np.array([p.get_width(), p.get_height()]) / 2 for p in found)
    return {(round(y), round(x)) for x, y in centres}


def test_similarity_puts_blocks_together_and_outlines_them():
    matrix, names = blocks(3, 4, 2)
    shown = [name[4:].replace("_", " ") for name in names]
    assert borders(shown) > 2  # shuffled

    figure = similarity(matrix, names, gamma=0.3)
    check_drawn(figure)
    axes, bar = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    assert sorted(labels) == sorted(shown)
    assert borders(labels) == 2
    order = [shown.index(label) for label in labels]
    ordered = matrix[np.ix_(order, order)]
    np.testing.assert_array_equal(axes.images[0].get_array(), ordered)
    assert axes.images[0].get_clim() == (-1, 1)

    pairs = np.argwhere((ordered > 0.3) & ~np.eye(9, dtype=bool))
    assert outlines(axes) == {tuple(pair) for pair in pairs.tolist()}
    values = [text.get_text().replace("−", "-") for text in axes.texts]
    np.testing.assert_allclose(np.array(values, float), ordered.ravel(), atol=0.0051)
    assert any(t.startswith("10 of 36 pairs") and "outlined" in t for t in texts(figure))

    assert bar.get_ylabel() == "cosine"
    assert [text.get_text() for text in bar.texts] == ["γ = 0.3"]
    assert [0.3, 0.3] in [list(line.get_ydata()) for line in bar.lines]


def test_what_is_not_similar_is_not_outlined():
    matrix, names = blocks(3, 3)
    figure = similarity(matrix, names, gamma=0.95)
    assert outlines(figure.axes[0]) == set()
    assert any(t.startswith("0 of 15 pairs") and "outlined" not in t for t in texts(figure))


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_similarity_of_few_and_of_more_classes(count):
    matrix, names = blocks(count)
    figure = similarity(matrix, names, gamma=0.3)
    check_drawn(figure)
    assert len(figure.axes[0].get_xticklabels()) == count
    if count == 2:  # the second class beside the first
        assert outlines(figure.axes[0]) == {(0, 1), (1, 0)}


def test_many_classes_fit_into_a_figure_of_limited_size():
    rng = np.random.default_rng(0)
    for count, named in ((200, True), (1000, False)):
        matrix = np.corrcoef(rng.normal(size=(count, 50)))
        figure = similarity(
            matrix, [f"{i:03d}.Some_long_name_of_a_bird" for i in range(count)], 0.3
        )
        assert max(figure.get_size_inches()) < 22
        labels = figure.axes[0].get_yticklabels()
        assert [label.get_text() for label in labels] == [
            "Some long name of a bird"
        ] * count * named
        side = figure.axes[0].get_position().height * figure.get_figheight() * 72
        assert all(label.get_fontsize() < side / count for label in labels)


def test_names_that_are_long_or_hold_signs_are_written_whole():
    names = ["$a_b$", "3.5_mm", "012.x", "007.", "W" * 50]
    figure = similarity(np.eye(5), names, gamma=0.3)
    check_drawn(figure)
    labels = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert labels == {r"\$a b\$", "3.5 mm", "x", "007.", "W" * 31 + "…"}


def table(epochs, level=1.0, icfs=2.0):
    """Losses that fall from `level`; icfs is a multiple of intra, or not there."""
    epoch = np.arange(1, epochs + 1)
    columns = {"epoch": epoch, "loss": level, "ce": level / epoch, "intra": 0.5 * level / epoch}
    columns |= {"accuracy": 0.5, "norm": 1.0}
    return pd.DataFrame(columns | ({"icfs": columns["intra"] * icfs} if icfs else {}))


def lines(axes):
    """By colour and dashes, the data of the lines, thick ones first."""
    found = {}
    for line in sorted(axes.lines, key=lambda line: -line.get_linewidth()):
        found.setdefault((line.get_color(), line.get_linestyle()), []).append(line.get_ydata())
    return found


def test_loss_curves_show_each_arm():
    figure = loss_curves({"λ = 0": [table(4)], "λ = 1": [table(6, 1.5, icfs=1.2)]})
    check_drawn(figure)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["λ = 0", "λ = 1"]
    without, with_icfs = lines(left).values()
    np.testing.assert_allclose(without, [1 / np.arange(1, 5)])
    np.testing.assert_allclose(with_icfs, [1.5 / np.arange(1, 7)])

    assert right.get_ylabel() == "ICFS (Eq. 5)"
    without, with_icfs = lines(right).values()
    np.testing.assert_allclose(without, [1 / np.arange(1, 5)])
    np.testing.assert_allclose(with_icfs, [0.9 / np.arange(1, 7)])
    for axes in (left, right):
        assert axes.get_xlabel() == "epoch"
        assert axes.get_yscale() == "linear"
        assert axes.get_ylim()[0] == 0
    assert not any("seeds" in t for t in texts(figure))


def test_where_an_arm_knows_no_similar_classes_all_are_drawn_within_classes():
    figure = loss_curves({"λ = 0": [table(4, icfs=None)], "λ = 1": [table(4, 1.5)]})
    check_drawn(figure)
    right = figure.axes[1]
    assert right.get_ylabel() == "distance within classes"
    without, with_icfs = lines(right).values()
    np.testing.assert_allclose(without, [0.5 / np.arange(1, 5)])
    np.testing.assert_allclose(with_icfs, [0.75 / np.arange(1, 5)])
    assert any("Within classes" in t for t in texts(figure))


def test_several_seeds_are_thin_lines_and_their_mean():
    figure = loss_curves({"λ = 0": [table(3, 1), table(3, 2)]})
    check_drawn(figure)
    ((mean, *seeds),) = lines(figure.axes[0]).values()
    np.testing.assert_allclose(mean, 1.5 / np.arange(1, 4))
    np.testing.assert_allclose(seeds, [1 / np.arange(1, 4), 2 / np.arange(1, 4)])
    assert len(figure.axes[0].get_legend().get_texts()) == 1
    assert any("seeds" in t for t in texts(figure))


def test_arms_far_apart_are_drawn_on_a_logarithmic_scale():
    figure = loss_curves({"λ = 0": [table(3)], "λ = 1": [table(3, icfs=100)]})
    check_drawn(figure)
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]


def test_a_training_of_one_epoch_is_seen():
    figure = loss_curves({"λ = 0": [table(1)]})
    figure.axes[0].get_legend().remove()
    figure.axes[0].grid(False)
    check_drawn(figure)


def test_files_that_are_something_else_are_errors(tmp_path):
    table(2).drop(columns="intra").to_csv(tmp_path / "old.csv")
    with pytest.raises(InputError, match=r"old\.csv.*no column intra"):
        read_curves(tmp_path / "old.csv")
    table(2, icfs=None).to_csv(tmp_path / "unknown.csv")
    assert list(read_curves(tmp_path / "unknown.csv")) == ["epoch", "ce", "intra"]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["class"] = ["a"]
    with pytest.raises(InputError, match=r"other\.h5: holds no similarity"):
        read_similarity(tmp_path / "other.h5")


def test_the_same_input_gives_the_same_bytes():
    matrix, names = blocks(2, 2)
    arms = {"λ = 0": [table(3)], "λ = 1": [table(3, icfs=2), table(3)]}
    assert png(similarity(matrix, names, 0.3)) == png(similarity(matrix, names, 0.3))
    assert png(loss_curves(arms)) == png(loss_curves(arms))


def test_commands_draw_what_the_functions_draw(tmp_path, isic):
    matrix, names = blocks(2, 2)
    with h5py.File(tmp_path / "similarity.h5", "w") as file:
        file["similarity"], file["class"] = matrix, names
    arms = {"λ = 0": [table(3), table(3, 2)], "λ = 1": [table(2)]}
    words = []
    for number, (label, seed) in enumerate((arm, t) for arm, ts in arms.items() for t in ts):
        seed.to_csv(tmp_path / f"c=urves{number}.csv", index=False)
        words += ["--curves", f"{label}={tmp_path / f'c=urves{number}.csv'}"]

    output = tmp_path / "figure.png"
    assert (
        isic("figure", "similarity", tmp_path / "similarity.h5", output, "--gamma", "0.9").status
        == 0
    )
    assert output.read_bytes() == png(similarity(matrix, names, 0.9))
    assert isic("figure", "loss-curves", output, *words).status == 0
    assert output.read_bytes() == png(loss_curves(arms))
    done = isic("figure", "loss-curves", output, "--curves", "λ = 1")
    assert done.status == 2
    assert "--curves" in done.only_line
