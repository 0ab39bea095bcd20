"""CUB-200-2011: its layout in small, what is wrong with it, a part of the real set."""

from pathlib import Path

import pytest
from sources import SHARED, needs, picture, refused

from isic.data.index import classes
from isic.data.sources.cub import index_cub

CUB = SHARED / "cub103" / "CUB_200_2011"


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    """The official layout in small: two classes with numbers out of alphabetical order."""
    base = tmp_path / "CUB_200_2011"
    for name in ("2.Ani/a.jpg", "10.Jay/a.jpg", "10.Jay/b.jpg"):
        picture(base / "images" / name)
    (base / "images.txt").write_text("1 10.Jay/b.jpg\n2 10.Jay/a.jpg\n3 2.Ani/a.jpg\n")
    (base / "image_class_labels.txt").write_text("1 10\n2 10\n3 2\n")
    (base / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n")
    (base / "bounding_boxes.txt").write_text("3 0.5 1 11.9 7\n1 0 0 2 3\n2 4 4 4 4\n")
    (base / "classes.txt").write_text("2 2.Ani\n10 10.Jay\n")
    return base


def test_cub_in_small(cub: Path) -> None:
    index, truth, skipped = index_cub(cub)
    assert list(index["image_id"]) == [
        "images/2.Ani/a.jpg",
        "images/10.Jay/b.jpg",
        "images/10.Jay/a.jpg",
    ]
    assert list(index["split"]) == ["train", "train", "test"]
    assert classes(index) == ["2.Ani", "10.Jay"]
    assert truth.iloc[:, 1:].to_numpy().tolist() == [[0.5, 1, 12, 8], [0, 0, 2, 3], [4, 4, 8, 8]]
    assert skipped == []
    parent = index_cub(cub.parent)[0]
    assert parent["image_id"][0] == "CUB_200_2011/images/2.Ani/a.jpg"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("images.txt", None, ("no images.txt", "CUB_200_2011.tgz")),
        ("images.txt", "1 10.Jay/b.jpg\n2 10.Jay/a.jpg\n", ("image 3 stands in only one",)),
        ("images.txt", "1 10.Jay/b.jpg\n1 10.Jay/a.jpg\n", ("images.txt, line 2",)),
        (
            "images.txt",
            "1 10.Jay/b.jpg\n2 lost.jpg\n3 2.Ani/a.jpg",
            ("lost.jpg: image is missing",),
        ),
        ("image_class_labels.txt", "1 10\n2 11\n3 2", ("image 2 has class 11", "classes.txt")),
        ("train_test_split.txt", "1 1\n2 0\n3 x", ("train_test_split.txt: image 3",)),
        ("train_test_split.txt", "1 1\n2 0\n3 0", ("class '2.Ani'", "no training image")),
        ("classes.txt", "1 1.Emu\n2 2.Ani\n10 10.Jay\n", ("class '1.Emu'", "no training image")),
        ("bounding_boxes.txt", "1 0 0 2 3\n2 4 4 4\n3 0 0 1 1", ("bounding_boxes.txt: image 2",)),
        (
            "bounding_boxes.txt",
            "1 0 0 2 3\n2 4 4 9 4\n3 0 0 1 1",
            ("bounding_boxes.txt, image 2", "(4, 4, 13, 8)", "images/10.Jay/a.jpg", "outside"),
        ),
    ],
)
def test_cub_that_is_wrong(cub: Path, name: str, text: str | None, words: tuple[str, ...]) -> None:
    if text is None:
        (cub / name).unlink()
    else:
        (cub / name).write_text(text)
    refused(cub, *words, index=index_cub)


@needs(CUB)
def test_real_cub() -> None:
    refused(CUB, "class '009.Brewer_Blackbird'", "no training image", index=index_cub)
    index, truth, skipped = index_cub(CUB, trainable=False)
    assert len(index) == len(truth) == 103
    assert len(classes(index)) == 20
    assert skipped == []
    assert list(truth["image_id"]) == list(index["image_id"])
    first = truth.set_index("image_id").loc[
        "images/004.Groove_billed_Ani/Groove_Billed_Ani_0085_1612.jpg"
    ]
    assert first.tolist() == [205, 140, 387, 313]  # 205 140 182 173 as x y width height
