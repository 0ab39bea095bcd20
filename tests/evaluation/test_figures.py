"""The figures from small data: what is chosen, what is drawn, nothing cut off, the same bytes."""

import io
import sys
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from isic.cli import main
from isic.errors import InputError
from isic.evaluation.figures.localization import QUANTILES, choose, localization, read_run
from isic.evaluation.figures.loss_curves import loss_curves, read_curves
from isic.evaluation.figures.similar_classes import groups, similar_classes
from isic.evaluation.figures.similarity import similarity
from isic.localization.boxes import iou
from isic.method.similarity import read_similarity

SIDE = 32
CORNERS = ["x0", "y0", "x1", "y1"]
TRUE_BOX = (10, 10, 30, 20)


@pytest.fixture
def dataset():
    """Index, images and truth: a training image, then three test images of unlike shapes."""
    names = [f"i{k}" for k in range(4)]
    index = pd.DataFrame(
        {
            "image_id": names,
            "split": ["train", "test", "test", "test"],
            "class": ["a", "a", "great_tit", "great_tit"],
            "width": [60, 60, 40, 40],
            "height": [40, 40, 60, 40],
        }
    )
    images = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    truth = pd.DataFrame([TRUE_BOX] * 3, columns=CORNERS)
    truth.insert(0, "image_id", names[1:])
    return index, images, truth


@pytest.fixture
def folder(tmp_path):
    """A run with a perfect box for i1, a poor one for i2, and none for i3."""
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["image_id"] = ["i3", "i1", "i2"]
        file["full"] = np.random.default_rng(1).random((3, 4, 4)).astype(np.float16)
        file["crop"] = file["full"][:]
        file.attrs.update({"resize": SIDE, "crop": SIDE, "relative": True})
    rows = [("i1", *TRUE_BOX, 0.9), ("i2", 0, 0, 15, 15, 0.95)]
    boxes = pd.DataFrame(rows, columns=["image_id", *CORNERS, "score"])
    boxes.to_csv(tmp_path / "boxes.csv", index=False)
    return tmp_path


def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def drawn(figure):
    """(height, width) bool: where the figure differs from an empty one of its size."""
    empty = Figure(figure.get_size_inches(), dpi=figure.dpi, facecolor="white")
    pixels = []
    for each in (figure, empty):
        canvas = FigureCanvasAgg(each)
        canvas.draw()
        pixels.append(np.asarray(canvas.buffer_rgba()))
    return (pixels[0] != pixels[1]).any(2)


def all_texts(figure):
    """Every text of a figure, also those of scales and legends."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
        yield from axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            labels = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
            yield from (label for place, label in labels if low <= place <= high)


def check_drawn(figure):
    """Something is drawn in every axes, nothing reaches the edge, no two texts overlap."""
    where = drawn(figure)
    assert figure.axes
    for axes in figure.axes:
        x0, y0, x1, y1 = axes.get_position().extents * np.tile(where.shape[::-1], 2)
        inside = where[len(where) - round(y1) : len(where) - round(y0), round(x0) : round(x1)]
        assert inside[2:-2, 2:-2].any()  # not the frame alone
    for edge in (where[0], where[-1], where[:, 0], where[:, -1]):
        assert not edge.any()
    written = [text for text in all_texts(figure) if text.get_text()]
    boxes = np.array([text.get_window_extent().extents for text in written])
    assert boxes.min() > 0
    assert (boxes[:, 2:] < where.shape[::-1]).all()
    boxes += [0.5, 0.5, -0.5, -0.5]  # pixels
    overlaps = np.argwhere(np.triu(iou(boxes[:, None], boxes), 1) > 0)
    assert [(written[i].get_text(), written[j].get_text()) for i, j in overlaps] == []


def texts(figure):
    inside = [text for axes in figure.axes for text in (axes.title, *axes.texts)]
    return [text.get_text() for text in (*inside, *figure.texts) if text.get_text()]


def prose(figure):
    """All that is written, lines joined."""
    return " ".join(" ".join(texts(figure)).split())


def test_choice_is_by_rule():
    values = np.random.default_rng(0).permutation(101) / 100
    chosen = choose(values, 6)
    assert [quantile for quantile, _ in chosen] == pytest.approx(QUANTILES)
    assert [values[place] for _, place in chosen] == pytest.approx(QUANTILES)
    assert [round(quantile, 3) for quantile, _ in choose(values, 1)] == [0.425]
    assert len(choose(values, 12)) == 12
    assert [place for _, place in choose(np.array([0.2, 0.1]), 6)] == [0, 1]


def test_figure_shows_maps_boxes_and_overlaps(dataset, folder):
    run = read_run(folder)
    figure = localization(*dataset, {"CAM": run, "ISIC": run})
    assert len(figure.axes) == 3 * 3
    written = texts(figure)
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["image", "CAM", "ISIC"]
    assert [t for t in written if t.startswith(("IoU", "no box"))] == [
        *("IoU 1.00", "IoU 1.00", "IoU 0.06", "IoU 0.06", "no box", "no box")
    ]
    assert any("great tit" in t for t in written)
    assert "Rows by rule, failures included: images at these quantiles of the IoU" in prose(figure)
    for axes in figure.axes:
        picture = np.asarray(axes.images[0].get_array())
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert picture.std() > 0.1
    assert figure.axes[0].get_xlim() == (0, 60)  # pixels of the original: boxes are drawn in them
    assert figure.axes[0].get_ylim() == (40, 0)


def test_figure_is_the_same_bytes_again(dataset, folder):
    first, second = (png(localization(*dataset, {"ISIC": read_run(folder)})) for _ in range(2))
    assert first == second
    assert b"Software" not in first


def test_without_true_boxes_the_score_chooses(dataset, folder):
    index, images, truth = dataset
    figure = localization(index, images, truth[:0], {"ISIC": read_run(folder)})
    scores = [t for t in texts(figure) if t.startswith(("score", "no box"))]
    assert scores == ["score 0.95", "score 0.90", "no box"]


def test_a_folder_that_is_no_run_is_an_error(folder, dataset):
    (folder / "boxes.csv").write_text("image_id,x0\n")
    with pytest.raises(InputError, match=r"boxes\.csv.*no column y0"):
        read_run(folder)
    with pytest.raises(InputError, match=r"maps\.h5"):
        read_run(folder / "nowhere")


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
    assert right.get_ylabel() == "ICFS within classes"
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


SIMILARITIES = {(1, 4): 0.9, (1, 0): 0.8, (4, 5): 0.85, (0, 5): 0.7, (2, 3): 0.6, (1, 3): 0.2}


def symmetric(pairs, count):
    matrix = np.eye(count)
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


def test_groups_are_found_by_rule():
    matrix = symmetric(SIMILARITIES, 7)
    # 1 and 4 are the most similar, 0 is similar to 1; 5 only to classes that are taken; 6 to none.
    assert groups(matrix, 0.3) == [[1, 4, 0], [2, 3]]
    assert groups(matrix, 0.65) == [[1, 4, 0]]
    assert groups(matrix, 0.8) == [[1, 4]]  # 4 and 5 are similar, but 4 is taken; 0.8 is not above
    assert groups(matrix, 0.9) == []
    assert groups(matrix, -np.inf, neighbours=1) == [[1, 4], [0, 5], [2, 3]]
    assert groups(np.eye(1), -np.inf) == []
    many = groups(np.full((40, 40), 0.5), 0.3)
    assert many == [list(range(5 * k, 5 * k + 5)) for k in range(6)]


@pytest.fixture
def classes():
    """Seven classes: index, images and names; two training images each but for the last."""
    names = [f"{i:03d}.Black_bird_{'abcdefg'[i]}" for i in range(7)]
    listed = [(name, "train") for name in names[:6] for _ in range(2)]
    listed += [(name, "test") for name in names]
    index = pd.DataFrame(listed, columns=["class", "split"])
    index["image_id"] = [f"i{k}" for k in range(len(index))]
    index["width"] = np.arange(len(index)) + 40
    index["height"] = 60
    images = np.random.default_rng(0).integers(0, 256, (len(index), SIDE, SIDE, 3), np.uint8)
    return names, index, images


def pictures(figure, images):
    """Which of the images each axes shows, and the width it is shown with."""
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    rows = [[k for k, image in enumerate(images) if np.array_equal(image, s)] for s in shown]
    return [(row, axes.get_xlim()[1]) for (row,), axes in zip(rows, figure.axes, strict=True)]


def test_similar_classes_stand_in_rows(classes):
    names, index, images = classes
    figure = similar_classes(symmetric(SIMILARITIES, 7), names, 0.3, index, images)
    check_drawn(figure)
    first = [2, 8, 0, 4, 6]  # the first training image of classes 1, 4, 0; 2, 3
    assert pictures(figure, images) == [(row, row + 40) for row in first]
    assert [axes.texts[0].get_text() for axes in figure.axes] == [
        *("Black bird b", "Black bird e\nS = 0.90", "Black bird a\nS = 0.80"),
        *("Black bird c", "Black bird d\nS = 0.60"),
    ]
    heights = [round(axes.get_position().y0, 6) for axes in figure.axes]
    assert heights[0] == heights[1] == heights[2] > heights[3] == heights[4]
    assert "No two classes" not in prose(figure)
    assert "S > γ = 0.3" in prose(figure)


def test_without_similar_classes_the_nearest_are_shown_and_called_so(classes):
    names, index, images = classes
    figure = similar_classes(symmetric({(0, 6): 0.2}, 7), names, 0.3, index, images)
    check_drawn(figure)
    assert [row for row, _ in pictures(figure, images)][:2] == [0, 18]  # 6 has a test image only
    assert len(figure.axes) == 6
    assert "S = 0.20" in figure.axes[1].texts[0].get_text()
    assert "No two classes are similar at γ = 0.3: these are only the nearest." in prose(figure)


def test_one_class_alone(classes):
    names, index, images = classes
    figure = similar_classes(np.eye(1), names[2:3], 0.3, index, images)
    check_drawn(figure)
    assert [row for row, _ in pictures(figure, images)] == [4]
    assert "No two classes are similar at γ = 0.3: there is only one." in prose(figure)


def test_a_class_without_images_is_an_error(classes):
    names, index, images = classes
    with pytest.raises(InputError, match="no image of nobody"):
        similar_classes(np.eye(2), [names[0], "nobody"], 0.3, index, images)


def test_names_that_are_long_or_hold_signs_are_written_whole():
    names = ["$a_b$", "3.5_mm", "012.x", "007.", "W" * 50]
    figure = similarity(np.eye(5), names, gamma=0.3)
    check_drawn(figure)
    labels = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert labels == {r"\$a b\$", "3.5 mm", "x", "007.", "W" * 31 + "…"}


@pytest.mark.parametrize("name", ["similarity", "loss_curves", "similar_classes"])
def test_the_same_input_gives_the_same_bytes(name, classes):
    names, index, images = classes
    matrix = symmetric(SIMILARITIES, 7)

    def draw():
        if name == "similarity":
            return similarity(matrix, names, 0.3)
        if name == "loss_curves":
            return loss_curves({"λ = 0": [table(3)], "λ = 1": [table(3, icfs=2), table(3)]})
        return similar_classes(matrix, names, 0.3, index, images)

    assert png(draw()) == png(draw())


def test_commands_draw_what_the_functions_draw(tmp_path, monkeypatch, capsys):
    matrix, names = blocks(2, 2)
    with h5py.File(tmp_path / "similarity.h5", "w") as file:
        file["similarity"], file["class"] = matrix, names
    arms = {"λ = 0": [table(3), table(3, 2)], "λ = 1": [table(2)]}
    words = []
    for number, (label, seed) in enumerate((arm, t) for arm, ts in arms.items() for t in ts):
        seed.to_csv(tmp_path / f"c=urves{number}.csv", index=False)
        words += ["--curves", f"{label}={tmp_path / f'c=urves{number}.csv'}"]

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["isic", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code

    output = tmp_path / "figure.png"
    assert run("figure-similarity", tmp_path / "similarity.h5", output, "--gamma", "0.9") == 0
    assert output.read_bytes() == png(similarity(matrix, names, 0.9))
    assert run("figure-loss-curves", output, *words) == 0
    assert output.read_bytes() == png(loss_curves(arms))
    assert run("figure-loss-curves", output, "--curves", "λ = 1") == 1
    assert capsys.readouterr().err == "isic: --curves λ = 1: write NAME=PATH.\n"


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
