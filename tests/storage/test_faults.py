"""What the machine says of a file is told with its name and its cause, and no file is to blame."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from networks import fusion_network
from PIL import Image
from places import no_more_files

from isic.data.encoded import Encoded
from isic.data.image import contents
from isic.errors import InputError, WriteError
from isic.evaluation.tables.printing import read_table
from isic.evaluation.tables.results import read_scores
from isic.networks.backbones import load_weights
from isic.networks.files import load_model, load_network
from isic.provenance.show import read_provenance
from isic.storage import hdf5
from isic.storage.faults import fault_file, fault_number, writing
from isic.storage.hdf5 import new_hdf5, open_hdf5
from isic.storage.tables import read_csv

READERS: dict[str, Callable[[Path], object]] = {
    "hdf5": lambda path: open_hdf5(path).__enter__(),
    "csv": lambda path: read_csv(path, ["a"]),
    "table": read_table,
    "scores": lambda path: read_scores([path]),
    "network": load_network,
    "model": load_model,
    "show": read_provenance,
    "shards": lambda path: Encoded([path], *np.zeros((3, 1), int), (1,), bytes),
}


@pytest.mark.parametrize("kind", READERS)
def test_too_many_open_files(kind: str, tmp_path: Path):
    path = tmp_path / ("a.safetensors" if kind == "show" else "a")
    path.write_bytes(b"content")
    with suppress(InputError):
        READERS[kind](path)  # what it imports is there then
    with no_more_files(), pytest.raises(InputError) as raised:
        READERS[kind](path)
    assert str(raised.value) == (
        f"{path}: cannot be read (Too many open files). Raise the limit of open files "
        "(ulimit -n 4096), then run the same command again."
    )


def test_too_many_open_files_is_no_fault_of_an_image_or_of_weights(tmp_path: Path):
    path, network = tmp_path / "a", fusion_network(outputs=1)
    Image.new("RGB", (9, 9)).save(path, "PNG")
    with no_more_files():
        with pytest.raises(OSError, match=f"Too many open files: '{path}'"):
            contents(path)
        with pytest.raises(InputError, match=r"a: cannot be read \(Too many open files\)\. Raise"):
            load_weights(network, path)


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def test_more_shards_than_may_be_open(tmp_path: Path):
    paths = [tmp_path / str(number) for number in range(30)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    zero = np.zeros(30, int)
    before = len(os.listdir("/dev/fd"))
    images = Encoded(paths, np.arange(30), zero, zero + 1, (1,), _bytes)
    assert images[:].ravel().tolist() == list(range(30))
    assert len(os.listdir("/dev/fd")) == before


def test_a_damaged_chunk_is_named(tmp_path: Path):
    path = tmp_path / "a.h5"
    with new_hdf5(path, {}) as file:
        file.create_dataset("x", data=np.arange(9000), chunks=(9000,), compression="gzip")
        file.flush()
        chunk = file["x"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)
    with (
        pytest.raises(InputError, match=r"a\.h5: cannot be read as HDF5 \(.*Delete it"),
        new_hdf5(tmp_path / "b.h5", {}),
        open_hdf5(path) as file,
    ):
        file["x"][:]


def test_a_file_that_hdf5_cannot_make_is_named(tmp_path: Path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("Unable to synchronously create file (unable to lock file, errno = 37)")

    monkeypatch.setattr(hdf5.h5py, "File", fail)
    with pytest.raises(InputError) as raised, new_hdf5(tmp_path / "a.h5", {}):
        pass
    assert str(raised.value).startswith(f"{tmp_path / 'a.h5'}: cannot be written (No locks avai")
    assert "HDF5_USE_FILE_LOCKING=FALSE" in str(raised.value)


def test_what_names_no_file_is_of_the_one_that_is_written():
    with pytest.raises(OSError, match="Broken pipe") as raised, writing("a.csv"):
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    assert raised.value.filename == "a.csv"


def test_a_bad_input_is_not_the_outputs_fault():
    def read() -> None:
        try:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        except OSError as error:
            raise InputError("in.jpg: cannot be read") from error

    with pytest.raises(InputError, match=r"in\.jpg"), writing("out.h5"):
        read()
    with pytest.raises(WriteError, match=r"out\.h5: cannot be written"), writing("out.h5"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_numbers_and_names_are_found_in_hdf5s_words(tmp_path: Path):
    with pytest.raises(OSError, match="Unable") as raised:
        h5py.File(tmp_path / "nowhere.h5")
    assert fault_number(raised.value) == errno.ENOENT
    assert fault_file(raised.value) == str(tmp_path / "nowhere.h5")
    assert fault_number(ValueError("No such device (os error 19)")) == errno.ENODEV
    assert fault_number(ValueError("loss is 7")) == 0
