"""The format number of HDF5 files."""

from pathlib import Path

import h5py
import pytest

from isic.errors import InputError
from isic.storage.hdf5 import new_hdf5, open_hdf5


def test_an_hdf5_file_carries_its_format(tmp_path: Path) -> None:
    with new_hdf5(tmp_path / "a.h5", {"settings": "{}"}) as file:
        file["x"] = [1]
    with open_hdf5(tmp_path / "a.h5", {"x": "int image"}) as file:
        assert file.attrs["format"] == 1


def test_an_older_file_is_read_and_a_newer_one_told(tmp_path: Path) -> None:
    for number in (None, 2):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = [1]
            if number:
                file.attrs["format"] = number
        if number is None:
            with open_hdf5(tmp_path / "a.h5", {"x": "int image"}) as file:
                assert file["x"][0] == 1
        else:
            with pytest.raises(InputError, match=r"a\.h5: made by a newer isic \(format 2; .*Upd"):
                open_hdf5(tmp_path / "a.h5").__enter__()
