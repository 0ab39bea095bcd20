"""The generated data set: reproducible, true to its boxes, and similar where it says so."""

import platform
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from isic.data.sources.birds import generate as data_set
from isic.data.sources.birds.generate import COLUMNS, generate
from isic.data.sources.birds.looks import MAX_GENERA, MAX_SPECIES, genus, look
from isic.data.sources.birds.render import render
from isic.errors import InputError

SMALL = {"genera": 2, "species": 2, "train_images": 2, "test_images": 1, "size": 96, "seed": 7}


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below `folder`, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def draw(g: int, s: int, number: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    return render(np.random.SeedSequence([3, 0, number]), look(g, s), size)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birds") / "source"
    generate(folder, **SMALL)
    return folder


def test_layout(small: Path) -> None:
    names = sorted(look(g, s).name for g in range(2) for s in range(2))
    for split, count in (("train", 2), ("test", 1)):
        for root, suffix in ((small, "jpg"), (small / "masks", "png")):
            assert sorted(path.name for path in (root / split).iterdir()) == names
            for name in names:
                files = sorted(path.name for path in (root / split / name).iterdir())
                assert files == [f"{n:04d}.{suffix}" for n in range(1, count + 1)]
    assert len(contents(small)) == 2 * 12 + 1


def test_same_seed_same_bytes_and_another_seed_other_pixels(small: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", **SMALL)
    assert contents(tmp_path / "again") == contents(small)
    generate(tmp_path / "other", **SMALL | {"seed": 8})
    one, other = contents(small), contents(tmp_path / "other")
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_other_counts_leave_an_image_as_it_is(small: Path, tmp_path: Path) -> None:
    more = SMALL | {"genera": 3, "species": 1, "train_images": 3}
    generate(tmp_path / "more", **more)
    one, other = contents(small), contents(tmp_path / "more")
    shared = [name for name in one.keys() & other.keys() if name != "boxes.csv"]
    assert len(shared) == 2 * 2 * 3  # files of an image × genera × images
    assert all(one[name] == other[name] for name in shared)


def test_workers_change_nothing(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set, "IMAGES_PER_PROCESS", 6)
    monkeypatch.setattr(data_set, "cores", lambda: 2)
    generate(tmp_path / "two", **SMALL)
    assert contents(tmp_path / "two") == contents(small)


def test_boxes_are_tight_around_the_masks_and_inside_the_images(small: Path) -> None:
    table = pd.read_csv(small / "boxes.csv")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 12
    for row in table.to_dict("records"):
        image = Image.open(small / row["split"] / row["class"] / row["file"])
        mask = small / "masks" / row["split"] / row["class"] / row["file"].replace("jpg", "png")
        mask = np.asarray(Image.open(mask))
        assert set(np.unique(mask)) == {0, 1}
        assert image.size == mask.shape[::-1] == (row["width"], row["height"])
        assert max(image.size) == SMALL["size"]
        [(rows, columns)] = ndimage.find_objects((mask > 0).astype(int))
        box = (columns.start, rows.start, columns.stop, rows.stop)
        assert box == (row["xmin"], row["ymin"], row["xmax"], row["ymax"])


def test_names_are_unique_and_carry_the_genus() -> None:
    looks = {(g, s): look(g, s) for g in range(MAX_GENERA) for s in range(30)}
    names = {key: each.name for key, each in looks.items()}
    assert len(set(names.values())) == len(names) == MAX_GENERA * MAX_SPECIES
    assert len({genus(name) for name in names.values()}) == MAX_GENERA
    for g in range(MAX_GENERA):
        assert len({genus(names[g, s]) for s in range(30)}) == 1
    in_order = [genus(name) for name in sorted(names.values())]
    changes = sum(a != b for a, b in pairwise(in_order))
    assert changes == MAX_GENERA - 1  # sorting by name keeps a genus together


def test_species_share_the_body_and_differ_in_the_head() -> None:
    for g in range(20):
        looks = [look(g, s) for s in range(10)]
        shared = {(x.body, x.plumage, x.pattern, x.wing_bars) for x in looks}
        assert len(shared) == 1
        assert len({x.head for x in looks}) == len({x.head.crown for x in looks}) == 10
    genera = {(x.body, x.plumage, x.pattern) for x in (look(g, 0) for g in range(100))}
    assert len(genera) == 100


def test_bodies_are_closer_in_colour_within_a_genus() -> None:
    # The mean colour of the bird without its head; the head is what two species differ in.
    def mean_colour(g: int, s: int) -> np.ndarray:
        pixels = []
        for number in range(8):
            image, mask = draw(g, s, number)
            pixels.append(image[mask])
        return np.concatenate(pixels).mean(0)

    means = np.array([[mean_colour(g, s) for s in range(2)] for g in range(4)])
    within = np.linalg.norm(means[:, 0] - means[:, 1], axis=-1)
    for g in range(4):
        others = np.delete(means[:, 0], g, axis=0)
        assert within[g] < np.linalg.norm(others - means[g, 0], axis=-1).min()


def test_the_background_does_not_depend_on_the_class() -> None:
    for number in range(6):
        (one, first), (other, second) = draw(0, 0, number), draw(0, 3, number)
        assert one.shape == other.shape
        away = ~ndimage.binary_dilation(first | second, iterations=4)
        same = (one == other).all(-1)[away].mean()
        assert same > 0.75  # what differs is the perch and twig, which follow the bird


def test_place_and_size_vary_so_that_no_centred_box_does_well() -> None:
    boxes = []
    for number in range(48):
        _, mask = draw(number % 4, 0, number, size=64)
        [(rows, columns)] = ndimage.find_objects(mask.astype(int))
        size = np.array(mask.shape[::-1] * 2)
        boxes.append(np.array([columns.start, rows.start, columns.stop, rows.stop]) / size)
    boxes = np.array(boxes)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for side in np.arange(0.3, 1.01, 0.1):
        low, high = 0.5 - side / 2, 0.5 + side / 2
        common = np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low)
        common = np.clip(common, 0, None).prod(1)
        assert np.mean(common / (area + side**2 - common) > 0.5) < 0.65


def test_a_stale_folder_is_replaced(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    shutil.copytree(small, folder)
    killed = tmp_path / f".source.{platform.node()}.999999999.part"  # no such process
    for stale in (folder / "train" / "Old_class", killed / "train"):
        stale.mkdir(parents=True)
        (stale / "0001.jpg").write_bytes(b"half")
    generate(folder, **SMALL)
    assert contents(folder) == contents(small)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("name", ["train/cat/mine.jpg", "holiday.jpg"])
def test_pictures_of_a_person_are_not_replaced(name: str, tmp_path: Path) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holds something else than `isic birds` writes"):
        generate(tmp_path, **SMALL)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_failed_run_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    monkeypatch.setattr(data_set, "render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(tmp_path / "source", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("wrong", [{"genera": 0}, {"species": 31}, {"size": 8}, {"seed": -1}])
def test_settings_out_of_range_are_named(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        generate(tmp_path / "source", **SMALL | wrong)
    assert not list(tmp_path.iterdir())
