"""Images as a program has them in hand, and processes that are forked from one with a model."""

import io
import multiprocessing
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from networks import pictures
from PIL import Image

from isic.errors import InputError
from isic.product.localizer import Localization, Localizer


@pytest.fixture(scope="module")
def localizer(model: Path) -> Localizer:
    return Localizer.load(model)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(pictures(1, 120)[0]).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def zipped(path: Path) -> io.IOBase:
    archive = zipfile.ZipFile(path.with_suffix(".zip"), "w")
    archive.write(path, "a.png")
    archive.close()
    return zipfile.ZipFile(path.with_suffix(".zip")).open("a.png")


def read_before(path: Path) -> io.BytesIO:
    file = io.BytesIO(path.read_bytes())
    Image.open(file).verify()  # as a server does, before it hands the upload on
    return file


def spooled(path: Path) -> tempfile.SpooledTemporaryFile:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(path.read_bytes())
    return file


class Stream:
    """What cannot go back to its start."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()

    def read(self) -> bytes:
        return self.data


@pytest.mark.parametrize(
    "made",
    [
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: path.open("rb"),
        zipped,
        read_before,
        spooled,
        Stream,
    ],
    ids=["bytes", "bytearray", "memoryview", "file", "zip", "BytesIO", "spooled", "stream"],
)
def test_bytes_and_open_files_are_images(
    localizer: Localizer, file: Path, made: Callable[[Path], object]
) -> None:
    (expected,) = localizer(file)
    for images in (made(file), [made(file)]):
        (found,) = localizer(images)
        assert str(found) == str(expected)
    (found,) = localizer.stream(made(file))
    assert str(found) == str(expected)


def text_file(path: Path) -> io.TextIOBase:
    path.with_suffix(".txt").write_text("a.png\n")
    return path.with_suffix(".txt").open(encoding="utf-8")


def closed(path: Path) -> io.IOBase:
    with path.open("rb") as file:
        return file


NO_IMAGE = {
    "None": (lambda _: None, "NoneType: is no image. Give a file's name, the bytes"),
    "number": (lambda _: 7, "int: is no image"),
    "tensor": (lambda _: torch.zeros(3, 9, 9), "Tensor: is no image.*channels last"),
    "table": (lambda _: pd.DataFrame({"a": [1], "b": [2]}), "DataFrame: is no image"),
    "names": (lambda path: {"image": path}, "dict: is no image"),
    "grey array": (lambda _: np.zeros((9, 9), np.uint8), r"shape \(9, 9\), uint8: give \(h, w, 3"),
    "text": (text_file, r"a\.txt: cannot be read \(read\(\) gives str, not bytes: open it"),
    "closed": (closed, r"a\.png: cannot be read \(.*closed file"),
    "no bytes": (lambda _: b"", r"an image of 0 bytes: cannot be read \(empty file\)"),
    "bad bytes": (lambda _: b"x" * 2000, r"an image of 2,000 bytes: cannot be read \(not an im"),
    "empty": (lambda _: io.BytesIO(), r"a BytesIO: cannot be read \(empty file\)"),
    "data URL": (lambda _: "data:image/png;base64," + 9000 * "A", r"^data:.{,200}…: cannot be re"),
    "nul": (lambda _: "a\0b.png", r"cannot be read \(embedded null"),
}


@pytest.mark.parametrize("name", NO_IMAGE)
def test_what_is_no_image_is_named_and_the_rest_goes_on(
    localizer: Localizer, file: Path, name: str
) -> None:
    made, message = NO_IMAGE[name]
    with pytest.raises(InputError, match=message) as caught:
        localizer(made(file))
    assert "\n" not in str(caught.value)
    found = list(localizer.stream([file, made(file), file.read_bytes()], batch_size=2))
    assert [type(each) for each in found] == [Localization, InputError, Localization]


FORKED: list[Localizer] = []  # is inherited by a worker, not sent to it


def _boxes(images: list[np.ndarray]) -> list[list[list[float]]]:
    return [found.boxes.tolist() for found in FORKED[0](images)]


def _boxes_of_its_own(task: tuple[Path, list[np.ndarray]]) -> list[list[list[float]]]:
    return [found.boxes.tolist() for found in Localizer.load(task[0])(task[1])]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True])
def test_a_forked_worker_answers(model: Path, monkeypatch: pytest.MonkeyPatch, used: bool) -> None:
    """As servers work that load before they fork; torch's threads are gone in the worker."""
    monkeypatch.setattr(sys.modules[__name__], "FORKED", [Localizer.load(model)])
    images = list(pictures(3, 120))
    threads = torch.get_num_threads()
    torch.set_num_threads(4)  # such as would be waited for
    try:
        torch.rand(2000, 2000).sum()
        if used:
            _boxes(images)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            own = pool.apply_async(_boxes, (images,)).get(60)
            loaded = pool.apply_async(_boxes_of_its_own, ((model, images),)).get(60)
    finally:
        torch.set_num_threads(threads)
    assert loaded == own
    assert np.allclose(own, _boxes(images))


def test_a_forked_worker_on_a_gpu_is_told(model: Path, file: Path) -> None:
    localizer = Localizer.load(model)
    localizer.device = torch.device("cuda")  # which is not initialised here, as after a fork
    with pytest.raises(InputError, match=r"cannot be used in a process forked .* 'spawn'"):
        localizer(file)
