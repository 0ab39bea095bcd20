"""The rule of reading: kinds, bits, frames, sizes; what is scaled or left out is noted."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd_images import H, W, deep_png, deep_tiff, few_bits, frames, rgb, saved
from PIL import Image

from isic.data import image
from isic.data.image import FRAMES, decode, decode_small, noted
from isic.errors import InputError


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_photos_of_phones_are_read_and_turned(form: str) -> None:
    drawn = Image.new("RGB", (64, 32), "red")
    drawn.paste("blue", (0, 0, 16, 32))
    pixels = np.asarray(decode(saved(drawn, form)))
    assert pixels.shape == (32, 64, 3)
    assert pixels[16, 4].argmax() == 2
    assert pixels[16, 40].argmax() == 0
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_small(saved(drawn, "AVIF", exif=exif), None)
    assert decoded.size == decoded.image.size == (32, 64)


Deep = Callable[[np.ndarray], bytes]
DEEP: dict[str, tuple[int, Deep]] = {
    "grey PNG": (1, deep_png),
    "grey TIFF": (1, lambda v: saved(Image.fromarray(v[..., 0]), "TIFF")),
    "RGB PNG": (3, deep_png),
    "RGB TIFF": (3, deep_tiff),
    "RGB TIFF, big-endian": (3, lambda v: deep_tiff(v, ">")),
    "RGB TIFF, deflated": (3, lambda v: deep_tiff(v, "<", True)),
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_few_bits_in_16_keep_their_contrast(name: str, bits: int) -> None:
    channels, write = DEEP[name]
    values = few_bits(channels, bits)
    decoded = decode_small(write(values), None)
    exact = values / (2**bits - 1) * 255
    found = np.asarray(decoded.image).astype(float)
    assert np.abs(found - exact).max() <= 0.5
    assert decoded.notes == (f"{bits} bits in 16, scaled from 0 to {2**bits - 1}",)


@pytest.mark.parametrize("name", DEEP)
def test_all_16_bits_are_what_they_were(name: str) -> None:
    channels, write = DEEP[name]
    values = few_bits(channels, 16)
    decoded = decode_small(write(values), None)
    before = values >> 8 if channels == 3 else (values.astype(np.uint32) * 255 + 32767) // 65535
    np.testing.assert_array_equal(np.asarray(decoded.image), np.broadcast_to(before, (H, W, 3)))
    assert decoded.notes == ()


@pytest.mark.parametrize(("channels", "deep"), [(2, deep_png), (4, deep_png), (4, deep_tiff)])
def test_few_bits_beside_alpha(channels: int, deep: Deep) -> None:
    values = few_bits(channels, 12)
    values[..., -1] = 65535
    found = np.asarray(decode(deep(values))).astype(float)
    assert np.abs(found - values[..., :-1] / 4095 * 255).max() <= 0.5


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_other_numbers_are_scaled_from_their_own_range(kind: type) -> None:
    values = np.linspace(-5, 900_000, H * W).reshape(H, W).astype(kind)
    decoded = decode_small(saved(Image.fromarray(values), "TIFF"), None)
    assert np.asarray(decoded.image)[0, 0].tolist() == [0, 0, 0]
    assert np.asarray(decoded.image)[-1, -1].tolist() == [255, 255, 255]
    assert "least and greatest" in decoded.notes[0]


def test_the_same_picture_of_8_12_and_16_bits_and_as_a_whole_number_is_one() -> None:
    eight = np.random.default_rng(0).integers(0, 256, (H, W)).astype(np.uint8)
    eight[0, :2] = 0, 255
    files = [saved(Image.fromarray(eight), "PNG")]
    for values in (eight.astype(np.uint16) * 257, np.round(eight * (4095 / 255)).astype(np.uint16)):
        files += [saved(Image.fromarray(values), form) for form in ("PNG", "TIFF", "PPM")]
        files.append(saved(Image.fromarray(values.astype(np.int32)), "TIFF"))
    for data in files:
        np.testing.assert_array_equal(np.asarray(decode(data))[..., 0], eight)


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP", "PNG", "AVIF"])
def test_of_several_frames_the_first_is_taken_and_that_is_noted(form: str) -> None:
    decoded = decode_small(frames(form), None)
    single = decode_small(saved(rgb(), form), None)
    assert decoded.notes == (FRAMES,)
    assert single.notes == ()
    close = np.abs(np.asarray(decoded.image).astype(int) - np.asarray(single.image)).mean()
    turned = np.abs(np.asarray(decoded.image).astype(int) - np.asarray(single.image)[::-1, ::-1])
    assert close < turned.mean() / 4


def test_the_limit_on_pixels_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Image.MAX_IMAGE_PIXELS == image.MOST  # Pillow's, of the process
    monkeypatch.setattr(image, "MOST", W * H - 1)
    for form in ("JPEG", "PNG", "TIFF", "HEIF"):
        with pytest.raises(
            InputError, match=r"more than 0\.005399 million pixels\. Make it smaller"
        ):
            decode(saved(rgb(), form))


def test_a_photo_of_108_megapixels_is_read() -> None:
    data = saved(Image.new("L", (12000, 9000), 90), "JPEG", quality=20)
    decoded = decode_small(data, 200)
    assert decoded.size == (12000, 9000)
    assert decoded.image.size == (1500, 1125)  # an eighth


def test_large_images_are_decoded_one_at_a_time_and_small_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image, "LARGE", W * H)
    with image._one_large:
        assert decode(saved(rgb(), "PNG")).size == (W, H)
    taken = []

    class Lock:
        def __enter__(self) -> None:
            taken.append(True)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(image, "_one_large", Lock())
    decode(saved(rgb(W, H + 1), "PNG"))
    assert taken == [True]


def test_notes_are_counted_by_kind() -> None:
    images = [("a", ["x"]), ("b", []), ("c", ["x", "y"])]
    assert noted(images) == ["2 images, as a: x", "c: y"]


def test_in_the_locale_c_names_are_utf8_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "import sys; from isic.process import take_any_name; take_any_name()\n"
        "print(sys.getfilesystemencoding(), ascii(sys.argv[1]), '\\udce9')\n"
    )
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env["PYTHONPATH"] = str(Path(image.__file__).parents[2])
    command = [sys.executable, script, "ü"]
    found = subprocess.run(command, env=env, capture_output=True, check=True).stdout
    assert found == b"utf-8 '\\xfc' \\udce9\n"
