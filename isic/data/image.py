"""From the bytes of an image file, whatever its mode, to upright 8-bit RGB pixels."""

from __future__ import annotations

import errno
import hashlib
import io
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from tqdm import tqdm

from isic.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"),
    *(".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pnm"),
)
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
# Pillow only warns from this size on; `decode` refuses.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

Item = TypeVar("Item")
Result = TypeVar("Result")


def read(path: Path) -> tuple[Image.Image, str]:
    """Read and decode one image file.

    Returns:
        image: upright, mode RGB, as `decode` gives it.
        digest: first 16 hexadecimal digits of the SHA-256 of the file's bytes.

    Raises:
        InputError: the file cannot be read; the message is the bare reason, without the file.
    """
    data = contents(path)
    return decode(data), hashlib.sha256(data).hexdigest()[:16]


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


def decode_small(data: bytes, side: int | None) -> tuple[Image.Image, tuple[int, int]]:
    """Decode an image that is to be resized to `side`² pixels, and give its own width and height.

    A JPEG much larger than that is decoded at a half, a quarter or an eighth of its size, never
    below twice `side`: several times as fast, and after resizing the same to the eye.

    The EXIF orientation is applied. Transparency is composited over white; 16-bit grey is scaled
    from 0..65535, 32-bit integer and float grey from their own minimum and maximum; CMYK and the
    like are converted by Pillow; ICC profiles are ignored; of several frames the first counts.

    Raises:
        InputError: the bytes are no image, truncated, or hold more than
            `PIL.Image.MAX_IMAGE_PIXELS` pixels; the message is the bare reason.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise Image.DecompressionBombError
            width, height = image.size
            if side is not None:
                image.draft(None, (2 * side, 2 * side))
            image.load()
            if _orientation(image) in ON_ITS_SIDE:
                width, height = height, width
            return to_rgb(upright(image)), (width, height)
    except Image.DecompressionBombError as error:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise InputError("not an image" if data else "empty file") from error
    except Exception as error:  # Pillow's decoders raise nearly everything on damaged bytes
        raise InputError(" ".join(str(error).split()) or type(error).__name__) from error


def upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; damaged EXIF counts as none."""
    turn = UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the pixels are whole: metadata that cannot be parsed must not cost them
        return 1


def orientation(path: Path) -> int:
    """The EXIF orientation of an image file that `read` can read; 1 where it has none."""
    with Image.open(path, formats=FORMATS) as image:
        return _orientation(image)


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
    """Convert an image of any mode to RGB (see `decode` for the rules)."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("pixels that are not finite")
        values = (values - values.min()) / max(np.ptp(values), np.finfo(float).tiny)
        image = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


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
