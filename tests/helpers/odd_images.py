"""Image files as people have them: odd ones that must be read, broken ones that must be named."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

register_heif_opener()
W, H = 90, 60  # of the upright image, where nothing else is said


def rgb(width: int = W, height: int = H) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def turned_jpeg(orientation: int) -> bytes:
    """A JPEG that is W × H once it is turned as its EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(rgb(*((H, W) if orientation > 4 else (W, H))), "JPEG", exif=exif)


def sixteen_bits(form: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 65536, (H, W), np.uint16)
    return saved(Image.fromarray(values), form)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of a given header and chunks, whether or not they belong together."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        parts.append(struct.pack(">I", len(data)) + kind + data + crc)
    return b"".join(parts)


def deep_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits: uint16 (h, w, c), c of grey 1, with alpha 2, RGB 3, with alpha 4."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    data = png(values.shape[1], values.shape[0], (b"IDAT", zlib.compress(rows)))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    header = data[16:24] + struct.pack(">BBBBB", 16, kind, 0, 0, 0)
    return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def deep_tiff(values: np.ndarray, order: str = "<", deflated: bool = False) -> bytes:
    """A TIFF of 16 bits a channel: uint16 (h, w, c), c of RGB 3, with alpha 4."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if deflated else data
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    short, long = 3, 4
    entries = [
        *((256, short, 1, width), (257, short, 1, height), (258, short, channels, "bits")),
        *((259, short, 1, 8 if deflated else 1), (262, short, 1, 2), (273, long, 1, "data")),
        *((277, short, 1, channels), (278, short, 1, height), (279, long, 1, len(data))),
        *[(338, short, 1, 2)] * (channels == 4),
    ]
    start = 8 + 2 + 12 * len(entries) + 4
    places = {"bits": start, "data": start + len(bits)}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        place = isinstance(value, str) or kind == long
        packed = struct.pack(f"{order}{'I' if place else 'HH'}",
                             *((places.get(value, value),) if place else (value, 0)))  # fmt: skip
        head += struct.pack(f"{order}HHI", tag, kind, count) + packed
    return head + struct.pack(f"{order}I", 0) + bits + data


def few_bits(channels: int, bits: int) -> np.ndarray:
    """uint16 (H, W, channels), 0 … 2^bits − 1, both there."""
    values = np.random.default_rng(0).integers(0, 2**bits, (H, W, channels), np.uint16)
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    return values


def palette(transparent: bool) -> bytes:
    image = rgb().quantize(16)
    return saved(image, "PNG", **({"transparency": 3} if transparent else {}))


def frames(form: str) -> bytes:
    return saved(rgb(), form, save_all=True, append_images=[rgb().rotate(180)])


def damaged_exif() -> bytes:
    data = turned_jpeg(1)
    return data.replace(b"Exif\0\0MM\0*", b"Exif\0\0MM\0\xff").replace(
        b"Exif\0\0II*\0", b"Exif\0\0II\xff\0"
    )


def broken_checksum() -> bytes:
    data = bytearray(saved(rgb(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 0xFF
    return bytes(data)


def float_tiff(value: float) -> bytes:
    values = np.random.default_rng(0).random((H, W)).astype(np.float32)
    values[3, 4] = value
    return saved(Image.fromarray(values), "TIFF")


# Name → contents and the upright size. What is read by no name's suffix is named itself.
READ: dict[str, Callable[[], bytes]] = {
    "plain.jpg": lambda: saved(rgb(), "JPEG"),
    "progressive.jpeg": lambda: saved(rgb(), "JPEG", progressive=True),
    "grey.jpg": lambda: saved(rgb().convert("L"), "JPEG"),
    "cmyk.jpg": lambda: saved(rgb().convert("CMYK"), "JPEG"),
    **{f"turned{n}.jpg": lambda n=n: turned_jpeg(n) for n in range(2, 9)},
    "damaged exif.jpg": damaged_exif,
    "trailing bytes.jpg": lambda: saved(rgb(), "JPEG") + b"\0" * 1000,
    "really a PNG.jpg": lambda: saved(rgb(), "PNG"),
    "UPPER.JPG": lambda: saved(rgb(), "JPEG"),
    "palette.png": lambda: palette(False),
    "palette, transparent.png": lambda: palette(True),
    "alpha.png": lambda: saved(rgb().convert("RGBA"), "PNG"),
    "grey alpha.png": lambda: saved(rgb().convert("LA"), "PNG"),
    "one bit.png": lambda: saved(rgb().convert("1"), "PNG"),
    "16 bit.png": lambda: sixteen_bits("PNG"),
    "16 bit.tif": lambda: sixteen_bits("TIFF"),
    "float.tiff": lambda: float_tiff(0.5),
    "pages.tif": lambda: frames("TIFF"),
    "animated.gif": lambda: frames("GIF"),
    "animated.webp": lambda: frames("WEBP"),
    "alpha.webp": lambda: saved(rgb().convert("RGBA"), "WEBP"),
    "bitmap.bmp": lambda: saved(rgb(), "BMP"),
    "portable.ppm": lambda: saved(rgb(), "PPM"),
    "ümlaut 写真 'quoted' $(x) & <b>.png": lambda: saved(rgb(), "PNG"),
    "-leading dash.png": lambda: saved(rgb(), "PNG"),
    "1 x 1.png": lambda: saved(rgb(1, 1), "PNG"),
    "1 x 3000.png": lambda: saved(rgb(1, 3000), "PNG"),
    "3000 x 2.jpg": lambda: saved(rgb(3000, 2), "JPEG"),
    "phone.heic": lambda: saved(rgb(), "HEIF"),
    "a HEIC.jpg": lambda: saved(rgb(), "HEIF"),
    "web.avif": lambda: saved(rgb(), "AVIF"),
    "an AVIF.png": lambda: saved(rgb(), "AVIF"),
    "12 bits.png": lambda: deep_png(few_bits(1, 12)),
    "12 bits, colour.tif": lambda: deep_tiff(few_bits(3, 12)),
    "large.jpg": lambda: saved(rgb().resize((4000, 3000)), "JPEG"),
}
SIZES = {"1 x 1.png": (1, 1), "1 x 3000.png": (1, 3000), "3000 x 2.jpg": (3000, 2)}
SIZES["large.jpg"] = (4000, 3000)

# Name → contents and a word of the reason.
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.jpg": (lambda: b"", "empty file"),
    "text.jpg": (lambda: b"not an image, sorry\n" * 9, "not an image"),
    "page.png": (lambda: b"<!doctype html><title>404</title>", "not an image"),
    "drawing.jpg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
    "document.jpg": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not an image"),
    "phone.jpg": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged"),
    "jxl.jpg": (lambda: b"\xff\x0a" + bytes(99), "JPEG XL, which is not read"),
    "layers.png": (lambda: b"8BPS\0\1" + bytes(99), "Photoshop, which is not read"),
    "cut off.heic": (lambda: saved(rgb(), "HEIF")[:900], ""),
    "cut off.avif": (lambda: saved(rgb(), "AVIF")[:900], ""),
    "cut off.jpg": (lambda: saved(rgb(), "JPEG")[:1500], "truncated"),
    "cut off.png": (lambda: saved(rgb(), "PNG")[:5000], ""),
    "header alone.jpg": (lambda: saved(rgb(), "JPEG")[:20], ""),
    "broken checksum.png": (broken_checksum, ""),
    "no pixels.png": (lambda: png(W, H), ""),
    "bomb.png": (lambda: png(60000, 60000, (b"IDAT", zlib.compress(b"\0"))), "pixels"),
    "no width.png": (lambda: png(0, 10, (b"IDAT", zlib.compress(b"\0"))), ""),
    "not a number.tif": (lambda: float_tiff(float("nan")), "not finite"),
}
BROKEN_NAMES = {"a folder.jpg": "folder", "nowhere.jpg": "No such file", "pipe.jpg": "regular file"}


def write_all(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write them all; the files that must be read, and those that must be named."""
    folder.mkdir(parents=True)
    for name, contents in READ.items():
        (folder / name).write_bytes(contents())
    for name, (contents, _) in BROKEN.items():
        (folder / name).write_bytes(contents())
    (folder / "a folder.jpg").mkdir()
    (folder / "nowhere.jpg").symlink_to("gone.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return [folder / name for name in READ], [folder / n for n in [*BROKEN, *BROKEN_NAMES]]
