"""Packed images: the right pixels in the right rows, whatever the file's format."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isic.data import pack as pack_module
from isic.data.encoded import Encoded, prefetch
from isic.data.image import decode
from isic.data.pack import join_shards, load_images, pack, pack_shard
from isic.data.shards import shard
from isic.data.sources.folder import index_folder
from isic.errors import InputError

RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("train/a/0.png", "train/a/1.png", "train/b/0.png", "test/b/1.png", "test/b/2.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(path)
    return tmp_path / "set"


@pytest.fixture
def index(root: Path) -> pd.DataFrame:
    return index_folder(root)[0]


def test_rows_are_the_index(root, index, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pack_module, "BLOCK_BYTES", 2 * 3 * 5**2)  # two images a block, one left
    pack(index, root, tmp_path / "one.h5", resize=5, workers=1)
    pack(index, root, tmp_path / "two.h5", resize=5, workers=3)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    images = load_images(tmp_path / "one.h5", index)
    assert images.shape == (5, 5, 5, 3)
    assert images.dtype == np.uint8
    for row, image_id in enumerate(index["image_id"]):
        expected = Image.open(root / image_id).resize((5, 5), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], np.asarray(expected))
    with h5py.File(tmp_path / "one.h5") as file:
        assert file["images"].chunks is None
        np.testing.assert_array_equal(file["images"], images)


def test_other_images_are_refused(root, index, tmp_path) -> None:
    path = tmp_path / "images.h5"
    pack(index, root, path, resize=4)
    with pytest.raises(InputError, match=r"images\.h5: its images are not those of the index"):
        load_images(path, index[::-1])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"images\.h5: cannot be read"):
        load_images(path, index)
    with h5py.File(path, "w") as file:
        file["image_id"] = index["image_id"].to_numpy(object)
        file["images"] = np.zeros((len(index) + 1, 4, 4, 3), np.uint8)
    with pytest.raises(InputError, match=r"images\.h5: holds no image_id .*that fits the rest"):
        load_images(path, index)
    with h5py.File(path, "w") as file:
        file["image_id"] = index["image_id"].to_numpy(object)
        shape = len(index), 4, 4, 3
        file.create_dataset("images", shape, np.uint8, chunks=(1, 4, 4, 3))
    with pytest.raises(InputError, match=r"images\.h5: its images are not packed"):
        load_images(path, index)


def jpegs(root: Path, index: pd.DataFrame, folder: Path, shards: int = 2) -> Path:
    """The `jpeg` store of these images: images~32.h5 and its shards beside it."""
    paths = [folder / f"images~32/{i}.h5" for i in range(shards)]
    for number, path in enumerate(paths):
        rows = shard(len(index), number, shards)
        pack_shard(index.iloc[rows.start : rows.stop], root, path, resize=32, workers=number + 1)
    join_shards(paths, folder / "images~32.h5")
    return folder / "images~32.h5"


def test_jpegs_are_the_images_of_the_index(root, index, tmp_path) -> None:
    images = load_images(jpegs(root, index, tmp_path), index)
    assert isinstance(images, Encoded)
    assert images.shape == (5, 32, 32, 3)
    assert len(images) == 5
    for row, image_id in enumerate(index["image_id"]):
        expected = Image.open(root / image_id).resize((32, 32), Image.Resampling.BILINEAR)
        assert np.abs(images[row].astype(int) - np.asarray(expected)).mean() < 8
        with Image.open(root / index["image_id"].iloc[(row + 1) % 5]) as other:
            other = np.asarray(other.resize((32, 32), Image.Resampling.BILINEAR))
        assert np.abs(images[row].astype(int) - other).mean() > 20
    np.testing.assert_array_equal(images[np.array([4, 0, 4])], [images[4], images[0], images[4]])
    np.testing.assert_array_equal(images[1:3], images[np.array([False, True, True, False, False])])
    assert images[:0].shape == (0, 32, 32, 3)


def test_rows_of_the_index(root, index, tmp_path) -> None:
    pixels = tmp_path / "pixels.h5"
    pack(index, root, pixels, resize=32)
    for path in (pixels, jpegs(root, index, tmp_path)):
        whole = load_images(path, index)
        np.testing.assert_array_equal(load_images(path, index, slice(1, 4))[:], whole[1:4])
        odd = np.arange(5) % 2 == 1
        np.testing.assert_array_equal(load_images(path, index, odd)[:], whole[odd])
    pack(index[3:], root, tmp_path / "few.h5", resize=32)  # a file with these rows alone
    np.testing.assert_array_equal(
        load_images(tmp_path / "few.h5", index, slice(3, None)), load_images(pixels, index)[3:]
    )
    with pytest.raises(InputError, match="not those of the index"):
        load_images(tmp_path / "few.h5", index)


def test_the_bytes_of_a_shard_do_not_depend_on_threads(root, index, tmp_path) -> None:
    for workers in (1, 3):
        pack_shard(index, root, tmp_path / f"{workers}.h5", resize=32, workers=workers)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


def test_a_shard_that_is_lost_or_damaged_is_named(root, index, tmp_path) -> None:
    path = jpegs(root, index, tmp_path)
    damaged = tmp_path / "images~32/1.h5"
    damaged.write_bytes(damaged.read_bytes()[:-900])
    with pytest.raises(InputError, match=r"images~32/1\.h5: an image in it is damaged"):
        load_images(path, index)[:]
    damaged.unlink()
    with pytest.raises(InputError, match=r"images~32/1\.h5: cannot be read"):
        load_images(path, index)


def test_prefetch_is_map_and_passes_errors_on() -> None:
    assert list(prefetch(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(prefetch(str, [])) == []
    results = prefetch(lambda n: 6 // n, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize(("content", "word"), [(None, "has changed"), (b"x", "cannot be read")])
def test_a_failure_leaves_nothing_behind(root, index, tmp_path, content, word) -> None:
    victim = root / index["image_id"].iloc[-1]
    if content is None:
        Image.new("RGB", (7, 9)).save(victim)
    else:
        victim.write_bytes(content)
    with pytest.raises(InputError, match=rf"2\.png: {word}"):
        pack(index, root, tmp_path / "out" / "images.h5", resize=4)
    assert list((tmp_path / "out").iterdir()) == []


def decoded(path: Path, image: Image.Image, **options) -> list:
    image.save(path, **options)
    found = decode(path.read_bytes())
    assert found.mode == "RGB"
    return np.asarray(found).tolist()


def test_modes(tmp_path) -> None:
    grey = Image.fromarray(np.array([[0, 100, 255]], np.uint8))
    assert decoded(tmp_path / "l.png", grey) == [[[v] * 3 for v in (0, 100, 255)]]
    assert decoded(tmp_path / "1.png", grey.convert("1", dither=Image.Dither.NONE)) == [
        [[v] * 3 for v in (0, 0, 255)]
    ]
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    for name in ("16.png", "16.tif"):
        assert decoded(tmp_path / name, deep) == [[[v] * 3 for v in (0, 100, 255)]]
    real = Image.fromarray(np.array([[-1.0, 0.0, 1.0]], np.float32))
    assert decoded(tmp_path / "f.tif", real) == [[[v] * 3 for v in (0, 128, 255)]]
    ink = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert decoded(tmp_path / "cmyk.tif", ink) == [[RED]]
    phone = Image.new("RGB", (2, 2), (255, 0, 0))
    found = decoded(tmp_path / "mpo.jpg", phone, format="MPO", save_all=True, append_images=[phone])
    assert np.allclose(found, RED, atol=4)
    (jpeg,) = decoded(tmp_path / "cmyk.jpg", ink, quality=100)[0]
    assert np.allclose(jpeg, RED, atol=4)


def test_transparency_lies_on_white(tmp_path) -> None:
    rgba = Image.fromarray(np.array([[[*RED, 255], [*BLUE, 0], [*BLUE, 128]]], np.uint8))
    assert decoded(tmp_path / "rgba.png", rgba) == [[RED, WHITE, [127, 127, 255]]]
    shade = Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8), "LA")
    assert decoded(tmp_path / "la.png", shade) == [[[9, 9, 9], WHITE]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putpixel((1, 0), 1)
    assert decoded(tmp_path / "p.png", palette) == [[RED, BLUE]]
    assert decoded(tmp_path / "t.png", palette, transparency=1) == [[RED, WHITE]]
    assert decoded(tmp_path / "t.gif", palette, transparency=1) == [[RED, WHITE]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(tmp_path, orientation) -> None:
    # The EXIF standard: where row 0 and column 0 of the stored image lie in the upright one.
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    found = np.array(decoded(tmp_path / "x.png", image, exif=exif))
    np.testing.assert_array_equal(found[..., 0], upright)


def test_damaged_exif_costs_no_image(tmp_path) -> None:
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    found = decoded(tmp_path / "x.jpg", image, exif=b"Exif\0\0II*\0\xff\xff\xff", quality=100)
    assert np.allclose(found, RED, atol=4)
