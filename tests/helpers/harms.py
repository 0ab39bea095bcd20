"""What may happen to a run's files, in the folder at hand; each is done when it is called."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from isic.provenance.records import record_path

Harm = Callable[[], object]
TO_FILES = ("gone", "half", "empty", "a bit", "half, no record")


def nothing() -> None:
    """The command itself is what is wrong."""


def each(*harms: Harm) -> Harm:
    return lambda: [harm() for harm in harms]


def text(name: str, content: str | bytes) -> Harm:
    data = content.encode() if isinstance(content, str) else content

    def do() -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)

    return do


def edited(name: str, old: str, new: str) -> Harm:
    def do() -> None:
        before = Path(name).read_text(encoding="utf-8")
        assert old in before
        Path(name).write_text(before.replace(old, new), encoding="utf-8")

    return do


def gone(name: str) -> Harm:
    return lambda: shutil.rmtree(name) if Path(name).is_dir() else Path(name).unlink()


def cut(name: str) -> Harm:
    return lambda: Path(name).write_bytes(Path(name).read_bytes()[:-40])


def damaged(name: str, harm: str) -> Harm:
    """One of `TO_FILES`; but for the last, the file's record tells of it."""

    def do() -> None:
        path, whole = Path(name), Path(name).read_bytes()
        middle = len(whole) // 2
        flipped = bytes([whole[middle] ^ 1])
        path.write_bytes(
            {"empty": b"", "a bit": whole[:middle] + flipped + whole[middle + 1 :]}.get(
                harm, whole[:middle]
            )
        )
        if harm == "gone":
            path.unlink()
        if harm == "half, no record":
            record_path(name).unlink()

    return do


def not_a_number(name: str) -> Harm:
    """One weight of a network is NaN."""

    def spoil(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        next(v for k, v in state.items() if k.endswith(".weight")).view(-1)[0] = float("nan")
        return state

    def do() -> None:
        if name.endswith(".pth"):
            torch.save(spoil(torch.load(name)), name)
            return
        with safe_open(name, framework="pt") as file:
            header = file.metadata()
        save_file(spoil(load_file(name)), name, header)

    return do


def replaced(name: str, dataset: str, values: np.ndarray | None) -> Harm:
    """A data set of an HDF5 file has other values, or is missing."""

    def do() -> None:
        with h5py.File(name, "a") as file:
            del file[dataset]
            if values is not None:
                file[dataset] = values

    return do


def similarity(*names: str) -> Harm:
    """A similarity matrix of these classes."""

    def do() -> None:
        with h5py.File("similarity.h5", "w") as file:
            file["similarity"], file["class"] = np.eye(len(names)), np.array(names, object)

    return do


def tar(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Harm:
    """An archive with one member."""

    def do() -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, int(kind == tarfile.REGTYPE)
        with tarfile.open("archive", "w") as archive:
            archive.addfile(member, io.BytesIO(b"x") if member.size else None)

    return do


def zipped(name: str) -> Harm:
    """An archive with one file."""

    def do() -> None:
        with zipfile.ZipFile("archive", "w") as archive:
            archive.writestr(name, b"x")

    return do
