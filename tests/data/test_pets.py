"""Oxford-IIIT Pets: the layout of its archives, from the download to the index."""

import hashlib
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from isic.data.image import UPRIGHT
from isic.data.index import classes
from isic.data.sources.download import fetch, unpack
from isic.data.sources.pets import index_pets, pets_masks
from isic.data.true_masks import decoded_mask, mask_box
from isic.errors import InputError
from isic.settings.archives import ARCHIVES

ROOT = Path(__file__).parents[2]
PETS = ROOT / "../shared/data/pets3"
W, H = 40, 30
# Their order, as the official one, is no alphabet's in which capitals come first.
BREEDS = {"Abyssinian": 1, "american_bulldog": 2, "Bengal": 3}
BOXES = {  # of the pet alone, corners inclusive, on the pixels as stored; the border is 2 wide
    "Abyssinian_1": (5, 6, 20, 15),
    "Abyssinian_10": (10, 3, 30, 20),
    "american_bulldog_2": (2, 2, 10, 27),
    "american_bulldog_3": (20, 10, 37, 25),
    "Bengal_7": (15, 5, 25, 24),
    "Bengal_8": (8, 8, 12, 12),
}
TEST = ("Abyssinian_10", "american_bulldog_2", "Bengal_8")


def lines(names: list[str]) -> str:
    """Lines of a list: name, class, species, breed of the species."""
    return "".join(f"{name} {BREEDS[name.rpartition('_')[0]]} 1 1\n" for name in names)


def trimap(box: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("L", (W, H), 2)
    draw = ImageDraw.Draw(image)
    x0, y0, x1, y1 = box
    draw.rectangle((x0 - 2, y0 - 2, x1 + 2, y1 + 2), fill=3)
    draw.rectangle(box, fill=1)
    return image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the two archives hold, in small, with the oddities of the real ones."""
    root = tmp_path / "set"
    images, annotations = root / "images", root / "annotations"
    (annotations / "trimaps").mkdir(parents=True)
    images.mkdir()
    noise = np.random.default_rng(0)
    for number, (name, box) in enumerate(BOXES.items()):
        image = Image.fromarray(noise.integers(0, 256, (H, W, 3), np.uint8))
        image = image.convert(("RGB", "CMYK", "L", "RGB", "P", "RGBA")[number])
        image.save(images / f"{name}.jpg", ("JPEG", "JPEG", "JPEG", "JPEG", "GIF", "PNG")[number])
        trimap(box).save(annotations / "trimaps" / f"{name}.png")
        (annotations / "trimaps" / f"._{name}.png").write_bytes(b"\0\5\x16\7")
    (images / "Abyssinian_1.mat").write_bytes(b"MATLAB")
    shutil.copy(images / "Bengal_7.jpg", images / "Bengal_9.jpg")  # in neither list
    for name, tested in (("trainval", False), ("test", True)):
        names = [name for name in reversed(BOXES) if (name in TEST) == tested]
        (annotations / f"{name}.txt").write_text(lines(names))
    (annotations / "list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")
    return root


def refused(root: Path, *words: str, **options: str) -> None:
    """The set is refused with one line that holds all `words`."""
    with pytest.raises(InputError) as caught:
        index_pets(root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_index(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index, truth, skipped = index_pets(root)
    train, test = "Abyssinian_1 american_bulldog_3 Bengal_7", " ".join(TEST)
    assert [Path(name).stem for name in index["image_id"]] == f"{train} {test}".split()
    assert list(index["split"]) == ["train"] * 3 + ["test"] * 3
    assert classes(index) == ["Abyssinian", "american_bulldog", "Bengal"]
    assert set(index["width"]) == {W}
    assert set(index["height"]) == {H}
    assert skipped == []
    assert list(truth["image_id"]) == list(index["image_id"])
    for name, *corners in truth.itertuples(index=False):
        x0, y0, x1, y1 = BOXES[Path(name).stem]
        assert corners == [x0 - 2, y0 - 2, x1 + 3, y1 + 3]
    said = capsys.readouterr().out
    assert f"warning: {root / 'images'}: 2 files are in neither trainval.txt nor test.txt" in said
    assert said.count("warning") == 1
    for one, other in zip((index, truth), index_pets(root, workers=3)[:2], strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_torchvision_reads_the_same(root: Path) -> None:
    from torchvision.datasets import OxfordIIITPet

    urls, digests = zip(*OxfordIIITPet._RESOURCES, strict=True)
    checksums = tuple(f"md5:{digest}" for digest in digests)
    assert ARCHIVES["pets"] == {"url": urls, "checksum": checksums}
    base = root.parent / "unpacked"
    base.mkdir()
    root.rename(base / "oxford-iiit-pet")
    index, truth, _ = index_pets(base)
    boxes = truth.set_index("image_id")
    for split, name in (("train", "trainval"), ("test", "test")):
        theirs = OxfordIIITPet(base, name, ["category", "segmentation"])
        ours = index[index["split"] == split].set_index("image_id")
        ids = [path.relative_to(base).as_posix() for path in theirs._images]
        assert sorted(ids) == sorted(ours.index)
        assert [" ".join(map(str.title, c.split("_"))) for c in classes(ours)] == theirs.classes
        for image_id, (_, (label, mask)) in zip(ids, theirs, strict=True):
            assert classes(index)[label] == ours.loc[image_id, "class"]
            y, x = np.nonzero(np.isin(np.asarray(mask), (1, 3)))
            box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert boxes.loc[image_id].tolist() == box


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_and_box_turn_with_their_image(root: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = root / "images/Abyssinian_1.jpg"
    Image.new("RGB", (W, H)).save(path, exif=exif)
    index, truth, _ = index_pets(root)
    assert tuple(index.loc[0, ["width", "height"]]) == ((H, W) if orientation > 4 else (W, H))
    turned = trimap(BOXES["Abyssinian_1"])
    if orientation > 1:
        turned = turned.transpose(UPRIGHT[orientation])
    mask = decoded_mask(pets_masks(root, index, 1).png["images/Abyssinian_1.jpg"])
    assert (mask == np.array([9, 1, 0, 255])[np.asarray(turned)]).all()
    y, x = np.nonzero(np.asarray(turned) != 2)
    assert truth.iloc[0, 1:].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_an_image_without_a_pet_has_no_box(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (W, H), 2).save(root / "annotations/trimaps/Bengal_8.png")
    index, truth, _ = index_pets(root)
    assert len(index) == len(truth) + 1 == 6
    assert "images/Bengal_8.jpg" not in set(truth["image_id"])
    said = capsys.readouterr().out
    assert "1 images (images/Bengal_8.jpg) of 6 have no true mask, or one without" in said
    for name in BOXES:
        Image.new("L", (W, H), 2).save(root / f"annotations/trimaps/{name}.png")
    assert index_pets(root)[1].empty


def test_boxes_of_pet_and_border() -> None:
    mask = np.zeros((5, 6), np.uint8)
    assert mask_box(mask) is None
    mask[4, 5] = 255
    assert list(mask_box(mask)) == [5, 4, 6, 5]
    assert mask_box(mask, border=False) is None
    mask[0, 2] = 1
    assert list(mask_box(mask)) == [2, 0, 6, 5]
    assert list(mask_box(mask, border=False)) == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("annotations/trainval.txt", None, ("trainval.txt: cannot be read", "No such file")),
        ("annotations/test.txt", b"\xff", ("test.txt: cannot be read", "utf-8")),
        ("annotations/test.txt", b"\nBengal_8 3 1\n", ("test.txt, line 2: expected BREED_NUMBER",)),
        ("annotations/test.txt", b"Bengal 3 1 1\n", ("test.txt, line 1: expected BREED_NUMBER",)),
        ("annotations/test.txt", b"Bengal_8 x 1 1\n", ("line 1: expected BREED_NUMBER",)),
        ("annotations/test.txt", b"Bengal_8 0 1 1\n", ("line 1: class 0 is not one of 1 to 37",)),
        ("annotations/test.txt", b"Bengal_8 38 1 1\n", ("class 38 is not one of 1 to 37",)),
        (
            "annotations/test.txt",
            b"Bengal_8 1 1 1\n",
            ("line 1: Bengal with class 1 contradicts", "Abyssinian with class 1"),
        ),
        (
            "annotations/test.txt",
            b"Bengal_8 4 1 1\n",
            ("Bengal with class 4 contradicts", "Bengal with class 3"),
        ),
        ("annotations/test.txt", b"Bengal_7 3 1 1\n", ("line 1: image Bengal_7 comes twice",)),
        (
            "annotations/test.txt",
            b"pug_1 26 1 1\n",
            ("images/pug_1.jpg: image is missing (1 such",),
        ),
        ("annotations/trainval.txt", b"Bengal_7 3 1 1\n", ("class 'Abyssinian'", "no training")),
        ("images/Bengal_7.jpg", None, ("images/Bengal_7.jpg: image is missing (1 such)",)),
        ("images/Bengal_7.jpg", b"text", ("1 of 6 images", "Bengal_7.jpg (not an image)", "skip")),
        ("annotations/trimaps/Bengal_8.png", None, ("Bengal_8.png: trimap is missing (1 such)",)),
        (
            "annotations/trimaps/Bengal_8.png",
            b"text",
            ("no PNG that can be read (images/Bengal_8.jpg)",),
        ),
    ],
)
def test_what_is_wrong(
    root: Path, name: str, content: bytes | None, words: tuple[str, ...]
) -> None:
    if content is None:
        (root / name).unlink()
    else:
        (root / name).write_bytes(content)
    refused(root, *words)


def test_trimaps_that_are_none(root: Path) -> None:
    path = root / "annotations/trimaps/Bengal_8.png"
    for image, word in (
        (Image.new("L", (W, H), 255), "no trimap"),
        (Image.new("L", (W, H), 0), "no trimap"),
        (Image.new("RGB", (W, H), (1, 1, 1)), "no PNG of one channel"),
        (Image.new("L", (W + 1, H), 2), "another size than its upright image"),
    ):
        image.save(path)
        refused(root, f"{path.parent}: {word}", "(images/Bengal_8.jpg)", "Unpack")
    path.write_bytes(path.read_bytes()[:40])
    refused(root, "no PNG that can be read (images/Bengal_8.jpg)")


def test_unreadable_images_are_skipped(root: Path) -> None:
    (root / "images/Bengal_8.jpg").write_bytes(b"")
    index, truth, skipped = index_pets(root, unreadable="skip")
    assert skipped == ["images/Bengal_8.jpg"]
    assert len(index) == len(truth) == 5
    (root / "images/Bengal_7.jpg").write_bytes(b"")
    refused(root, "class 'Bengal'", "no training image", unreadable="skip")
    refused(root, "unreadable: 'maybe'", unreadable="maybe")
    refused(root / "images", "images: has no folder annotations", "images.tar.gz")


def test_from_the_archives(root: Path, tmp_path: Path, address: str) -> None:
    """Fetched, checked, unpacked into one folder, indexed; the real ones are tar without gzip."""
    expected = index_pets(root)
    archives = []
    for name, mode in (("images", "w"), ("annotations", "w:gz")):
        served = tmp_path / "served" / f"{name}.tar.gz"
        with tarfile.open(served, mode) as file:
            file.add(root / name, name)
        checksum = f"md5:{hashlib.md5(served.read_bytes()).hexdigest()}"
        archives.append(tmp_path / "data" / served.name)
        with pytest.raises(InputError, match="another checksum"):
            fetch(f"{address}/{served.name}", archives[-1], f"md5:{'0' * 32}")
        fetch(f"{address}/{served.name}", archives[-1], checksum)
    source = tmp_path / "source"
    unpack(archives, source)
    for one, other in zip(expected[:2], index_pets(source)[:2], strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.skipif(not PETS.is_dir(), reason="needs ../shared/data/pets3")
def test_real_trimaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """600 photographs of three breeds: masks back to trimaps, boxes against their boxes.csv."""
    images, annotations = tmp_path / "images", tmp_path / "annotations"
    images.mkdir()
    (annotations / "trimaps").mkdir(parents=True)
    numbers = {"Abyssinian": 1, "american_bulldog": 2, "Bengal": 6}
    table = np.zeros(256, np.uint8)
    table[[1, 0, 255]] = 1, 2, 3
    for split, name in (("train", "trainval"), ("test", "test")):
        paths = sorted((PETS / split).glob("*/*.jpg"))
        for path in paths:
            (images / path.name).symlink_to(path.resolve())
            with Image.open(PETS / "masks" / split / path.parent.name / f"{path.stem}.png") as mask:
                values = table[np.asarray(mask)]
            assert values.all()
            Image.fromarray(values).save(annotations / "trimaps" / f"{path.stem}.png")
        rows = [f"{path.stem} {numbers[path.parent.name]} 1 1\n" for path in paths]
        (annotations / f"{name}.txt").write_text("".join(rows))
    index, truth, _ = index_pets(tmp_path)
    assert classes(index) == list(numbers)
    assert index["split"].value_counts().to_dict() == {"train": 311, "test": 289}
    boxes = pd.read_csv(PETS / "boxes.csv", index_col="file")[["xmin", "ymin", "xmax", "ymax"]]
    ours = truth.set_index(truth["image_id"].map(lambda name: Path(name).name)).iloc[:, 1:]
    assert sorted(ours.index) == sorted(boxes.index)
    assert (ours.to_numpy() == boxes.loc[ours.index].to_numpy()).all()
    assert "34.jpg) of 600 have no true mask, or one without an object" in capsys.readouterr().out
