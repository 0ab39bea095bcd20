"""From the bytes of an image file, whatever its kind, mode and depth, to upright 8-bit RGB pixels.

The one rule of reading, of all commands: see `decode_small`. A file's kind is told by its bytes,
never by its name.
"""

from __future__ import annotations

import errno
import hashlib
import io
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from pillow_heif import register_heif_opener
from tqdm import tqdm

from isic.data.depth import all_bits, eight_bits
from isic.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "HEIF", "AVIF")
UNREAD = {  # first bytes of images that people have under an image's name
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"8BPS": "Photoshop",
}
MOST = 500_000_000  # pixels of a file; a few bytes may claim any number, and ask for the memory
LARGE = 50_000_000  # pixels, from which images are decoded one at a time
FRAMES = "the first of several frames or pages is taken"
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (5, 6, 7, 8)
_one_large = threading.Lock()
register_heif_opener()
# Pillow's limit is the process's, and a sixth of ours; it warns at it, and `decode_small` refuses.
Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS and max(Image.MAX_IMAGE_PIXELS, MOST)
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Decoded(NamedTuple):
    """An image that was read.

    Attributes:
        image: upright, mode RGB.
        size: width and height of the whole image, upright, in pixels.
        notes: what of the file was left out or scaled, a few words each.
    """

    image: Image.Image
    size: tuple[int, int]
    notes: tuple[str, ...]


def read(path: Path, side: int | None = None) -> tuple[Decoded, str]:
    """Read and decode one image file, see `decode_small`.

    Returns:
        The image, and the first 16 hexadecimal digits of the SHA-256 of the file's bytes.

    Raises:
        InputError: the file cannot be read; the message is the bare reason, without the file.
    """
    data = contents(path)
    return decode_small(data, side), digest(data)


def digest(data: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


def contents(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it cannot be read; the message is the bare reason, without the file.
    """
    try:
        if path.exists() and not path.is_file():  # reading a named pipe would wait for ever
            raise InputError("a folder" if path.is_dir() else "not a regular file")
        return path.read_bytes()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # not the image's fault
            raise
        raise InputError(error.strerror or str(error)) from error


def decode(data: bytes) -> Image.Image:
    """Decode an image file completely and bring it to upright RGB, 8 bits a channel.

    See `decode_small` for the rules and errors.
    """
    return decode_small(data, None)[0]


def decode_small(data: bytes, side: int | None) -> Decoded:
    """Decode an image that is to be resized to `side`² pixels, if that is said.

    A JPEG much larger than that is decoded at a half, a quarter or an eighth of its size, never
    below twice `side`: several times as fast, and after resizing the same to the eye.

    The EXIF orientation is applied. Of several frames or pages the first counts. Transparency is
    composited over white. Values of 16 bits are scaled from the least of 8, 10, 12, 14 and 16 bits
    that holds the image's largest, so that a camera's 12 bits keep their contrast; other whole
    numbers and floats from their own least and greatest. CMYK and the like are converted by Pillow;
    ICC profiles are ignored.

    Raises:
        InputError: the bytes are no image, truncated, or hold more than MOST pixels; the message
            is the bare reason.
    """
    try:
        with opened(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > MOST:
                raise Image.DecompressionBombError
            notes = [FRAMES] * _has_frames(image)
            if side is not None:
                image.draft(None, (2 * side, 2 * side))
            with _one_large if image.width * image.height > LARGE else nullcontext():
                mode = image.tile[0].args if image.tile else None  # gone, once it is loaded
                image.load()
                turn = _orientation(image)
                whole, deep = all_bits(image, mode, lambda: opened(io.BytesIO(data)))
                rgb, grey = _rgb(_turned(whole, turn))
            if turn in ON_ITS_SIDE:
                width, height = height, width
            notes += [note for note in (deep, grey) if note]
            return Decoded(rgb, (width, height), tuple(notes))
    except Image.DecompressionBombError as error:
        raise InputError(
            f"more than {MOST / 10**6:g} million pixels. Make it smaller, or cut it into tiles"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(_unread(data)) from error
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise InputError(" ".join(str(error).split()) or type(error).__name__) from error


def noted(images: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """What is noted of images, each given by its name and its notes: a line a kind."""
    names: dict[str, list[str]] = {}
    for name, notes in images:
        for note in notes:
            names.setdefault(note, []).append(name)
    return [
        f"{of[0]}: {note}" if len(of) == 1 else f"{len(of)} images, as {of[0]}: {note}"
        for note, of in names.items()
    ]


def opened(file: Path | BinaryIO, formats: tuple[str, ...] = FORMATS) -> ImageFile.ImageFile:
    """Open an image file of these formats; its pixels are not decoded yet."""
    return Image.open(file, formats=formats)


def _unread(data: bytes) -> str:
    """Why bytes are no image that is read."""
    for start, kind in UNREAD.items():
        if data.startswith(start):
            return f"{kind}, which is not read. Convert it to PNG or JPEG"
    if data[4:8] == b"ftyp":
        return "damaged HEIC or AVIF, or a film"
    return "not an image" if data else "empty file"


def _has_frames(image: Image.Image) -> bool:
    """Whether a file holds several images that a person sees; a camera's previews do not count."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first is damaged
        return True


def upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; damaged EXIF counts as none."""
    return _turned(image, _orientation(image))


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the pixels are whole: metadata that cannot be parsed must not cost them
        return 1


def orientation(path: Path) -> int:
    """The EXIF orientation of an image file that `read` can read; 1 where it has none."""
    with opened(path) as image:
        return _orientation(image)


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an upright image by its header; None where that cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            turn = _orientation(image) in ON_ITS_SIDE
            return (image.height, image.width) if turn else image.size
    except Exception:  # whoever decodes it says what is wrong
        return None


def turned(boxes: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """Boxes drawn on an image's pixels as stored, on the upright image.

    Args:
        boxes: (n, 4) x0, y0, x1, y1.
        size: width and height of the upright image.
        orientation: EXIF's, 1 to 8; another one turns nothing.
    """
    x0, y0, x1, y1 = boxes.T
    if orientation in ON_ITS_SIDE:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if orientation in (2, 3, 6, 7):
        x0, x1 = size[0] - x1, size[0] - x0
    if orientation in (3, 4, 7, 8):
        y0, y1 = size[1] - y1, size[1] - y0
    return np.stack([x0, y0, x1, y1], axis=1)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB (see `decode_small` for the rules)."""
    return _rgb(image)[0]


def _rgb(image: Image.Image) -> tuple[Image.Image, str]:
    """An image of any mode as RGB, and how its values were scaled, if they were."""
    note = ""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values, note = eight_bits(np.asarray(image))
        image = Image.fromarray(values)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB"), note


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Executor, waiting: int
) -> Iterator[Result]:
    """`map` on a pool, in order, with at most `waiting` results ahead of what is taken."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:  # who stops taking does not wait for the rest
        for future in pending:
            future.cancel()


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, description: str
) -> Iterator[Result]:
    """`map` on `workers` threads, in order, with a progress bar and a bounded queue."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        results = in_order(function, items, pool, 4 * workers)
        yield from tqdm(
            results, desc=description, total=len(items), unit=" images", mininterval=1.0
        )
