"""Figure 5 from small data: what is chosen, what is drawn, the same bytes."""

import h5py
import numpy as np
import pandas as pd
import pytest
from drawn import SIDE, png, prose, texts

from isic.errors import InputError
from isic.evaluation.figures.localization import QUANTILES, choose, localization
from isic.evaluation.figures.localization import read_run as read_files

CORNERS = ["x0", "y0", "x1", "y1"]
TRUE_BOX = (10, 10, 30, 20)


def read_run(folder):
    return read_files(folder / "maps.h5", folder / "boxes.csv")


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
