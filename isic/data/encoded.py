"""Images that stay encoded in their files until they are asked for: sets larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from isic.errors import InputError
from isic.process import cores
from isic.storage.faults import unreadable

Item = TypeVar("Item")
Result = TypeVar("Result")
PREFETCHED = 3  # batches


class Encoded:
    """Equal-sized images that are read as an array is: `images[rows]` decodes these rows.

    Args:
        paths: the files.
        file: (n,) int, the file of each image, as its number in `paths`.
        offset, size: (n,) int, where the image's bytes lie in it.
        shape: of a decoded image.
        decode: bytes → uint8 array of that shape; runs in several threads.

    Raises:
        InputError: a file is missing, or cannot be opened.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        file: np.ndarray,
        offset: np.ndarray,
        size: np.ndarray,
        shape: tuple[int, ...],
        decode: Callable[[bytes], np.ndarray],
    ) -> None:
        self.paths, self.shape = list(paths), (len(file), *shape)
        self._file, self._offset, self._size, self._decode = file, offset, size, decode
        for path in self.paths:
            self._bytes(path, 0, 0)
        self._pool = ThreadPoolExecutor(cores())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """One image by its row, or several (b, …) by a slice, numbers or truth values: uint8.

        Raises:
            InputError: an image is damaged.
        """
        chosen = np.arange(len(self))[rows]
        images = list(self._pool.map(self._read, np.atleast_1d(chosen)))
        if not chosen.ndim:
            return images[0]
        return np.stack(images) if images else np.empty((0, *self.shape[1:]), np.uint8)

    @staticmethod
    def _bytes(path: Path, offset: int, size: int) -> bytes:
        """A part of a file, which is open no longer: there may be more than may be open at once."""
        try:
            with open(path, "rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}). "
                "Delete the files that were made of it and run the same command again."
            ) from error
        except OSError as error:
            raise unreadable(path, error) from error

    def _read(self, row: int) -> np.ndarray:
        number, size = self._file[row], int(self._size[row])
        data = self._bytes(self.paths[number], int(self._offset[row]), size)
        try:
            image = self._decode(data)
            if image.shape != self.shape[1:]:
                raise ValueError(f"{image.shape} instead of {self.shape[1:]}")
        except Exception as error:  # decoders raise nearly everything on damaged bytes
            raise InputError(
                f"{self.paths[number]}: an image in it is damaged ({error}). "
                "Delete the file and what was made of it, and run the same command again."
            ) from error
        return image


def prefetch(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map`, with the next few results made meanwhile by another thread."""
    waiting = []
    with ThreadPoolExecutor(1) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > PREFETCHED:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
