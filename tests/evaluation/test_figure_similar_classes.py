"""The figure of similar classes: groups by rule, their images in rows."""

import numpy as np
import pandas as pd
import pytest
from drawn import SIDE, check_drawn, png, prose

from isic.errors import InputError
from isic.evaluation.figures.similar_classes import groups, similar_classes

SIMILARITIES = {(1, 4): 0.9, (1, 0): 0.8, (4, 5): 0.85, (0, 5): 0.7, (2, 3): 0.6, (1, 3): 0.2}


def symmetric(pairs, count):
    matrix = np.eye(count)
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


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


def test_the_same_input_gives_the_same_bytes(classes):
    names, index, images = classes
    matrix = symmetric(SIMILARITIES, 7)
    assert png(similar_classes(matrix, names, 0.3, index, images)) == png(
        similar_classes(matrix, names, 0.3, index, images)
    )
