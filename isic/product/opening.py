"""Images as a program has them in hand: files, bytes, open files, Pillow images, arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from isic.data.image import Decoded, contents, decode_small, to_rgb, upright
from isic.errors import InputError

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
KINDS = (
    "a file's name, the bytes of an image file, a file opened with 'rb', a Pillow image, or an "
    "array (h, w, 3) uint8, RGB"
)
BYTES = bytes | bytearray | memoryview
LONGEST = 200  # letters of a file's name in a message


def several(images: Source | Iterable[Source]) -> Iterable[Source]:
    """Images as they are to be looped over: one alone, or what is no image, is one of them."""
    loops = isinstance(images, Iterable) and not (
        isinstance(images, str | os.PathLike | BYTES | Image.Image | Mapping)
        or hasattr(images, "read")  # an open file is no list of lines
        or getattr(images, "ndim", 1) in (0, 2, 3)  # an array or tensor of one image
    )
    return images if loops else [images]  # type: ignore[return-value, list-item] # told by `opened`


def opened(source: Source, side: int) -> Decoded:
    """Upright RGB, maybe reduced to not less than twice `side`², the image's own size, and notes.

    Raises:
        InputError: it cannot be read, or is of no kind that can be; the message names it.
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 3 or source.shape[2] != 3 or source.dtype != np.uint8 or not source.size:
            raise InputError(
                f"an array of shape {source.shape}, {source.dtype}: give (h, w, 3) uint8, RGB."
            )
        source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        try:
            source = to_rgb(upright(source))
        except Exception as error:  # Pillow decodes late, and raises nearly everything
            raise InputError(f"{source}: cannot be read ({error}).") from error
        return Decoded(source, source.size, ())
    name, data = _name(source), None
    try:
        if isinstance(source, BYTES):
            data = bytes(source)
        elif hasattr(source, "read"):
            data = _all_of(source)
        else:
            data = contents(Path(os.fsdecode(source)))
        return decode_small(data, side)
    except (InputError, ValueError) as error:  # ValueError: of a path that no file can have
        raise InputError(f"{name}: cannot be read ({error}).") from error


def _name(source: Any) -> str:
    """How a message calls a source."""
    if isinstance(source, BYTES):
        return f"an image of {len(source):,} bytes"
    if hasattr(source, "read"):
        named = getattr(source, "name", None)
        return named if isinstance(named, str) else f"a {type(source).__name__}"
    if not isinstance(source, str | os.PathLike):
        kind = type(source)
        tensor = kind.__module__.partition(".")[0] in ("torch", "tensorflow", "jax", "jaxlib")
        remedy = " Of a tensor make an array on the CPU, channels last." if tensor else ""
        raise InputError(f"{kind.__name__}: is no image. Give {KINDS}.{remedy}")
    name = os.fsdecode(source)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"


def _all_of(file: Any) -> bytes:
    """An open file from its start, wherever others have left it.

    Raises:
        InputError: it cannot be read, or gives no bytes; the message is the bare reason.
    """
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        data = file.read()
    except Exception as error:  # of any program's file object
        raise InputError(" ".join(str(error).split()) or type(error).__name__) from error
    if not isinstance(data, bytes):
        raise InputError(f"read() gives {type(data).__name__}, not bytes: open it with 'rb'")
    return data
