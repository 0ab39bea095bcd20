"""Names in any script on pictures: written by a font that has them, or told apart by a number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image
from predicted import make

from isic.data.image import digest
from isic.evaluation.figures import fonts
from isic.evaluation.figures.drawing import class_texts, text_width
from isic.evaluation.figures.similarity import similarity
from isic.product import predict
from isic.product.localizer import Localization

CJK = ["三毛猫", "柴犬犬", "Bläuling", "хомяк", "γάτα", "tab\there"]


def built(folder: Path, letters: str) -> str:
    """A font that has these letters alone, each another rectangle."""
    names = [".notdef", *(f"g{ord(c)}" for c in letters)]
    glyphs = {}
    for number, name in enumerate(names):
        pen = TTGlyphPen(None)
        right = 100 + 60 * number
        for step, point in enumerate(((50, 0), (50, 700), (right, 700), (right, 0))):
            (pen.lineTo if step else pen.moveTo)(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"g{ord(c)}" for c in letters})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Drawn Here", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    builder.setupPost()
    builder.save(folder / "drawn-regular.ttf")
    return str(folder / "drawn-regular.ttf")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has these font files and no others, but for matplotlib's own."""

    def has(*files: str) -> None:
        monkeypatch.setattr(fonts.font_manager, "findSystemFonts", lambda: list(files))
        for cached in (fonts.font_file, fonts.font, fonts._letters, fonts._others):
            cached.cache_clear()

    yield has
    monkeypatch.undo()
    for cached in (fonts.font_file, fonts.font, fonts._letters, fonts._others):
        cached.cache_clear()


def test_a_class_that_no_font_can_write_has_its_number(machine, tmp_path: Path) -> None:
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    blank = Path(built(tmp_path, "三毛猫柴犬")).rename(tmp_path / "AdobeBlank.ttf")
    machine(str(tmp_path / "damaged.ttf"), str(blank))
    expected = ["class 1", "class 2", *CJK[2:5], "class 6"]
    assert list(fonts.labels(CJK).values()) == class_texts(CJK) == expected
    (line,) = fonts.unwritten(CJK)
    assert line.startswith("no font here has the letters of 3 classes; pictures have their number ")
    assert "(class 1: 三毛猫, class 2: 柴犬犬, class 6: tab" in line
    assert fonts.unwritten(CJK[2:5]) == []
    assert fonts.families(CJK) == ["DejaVu Sans"]


def test_a_font_of_the_machine_writes_what_it_has(machine, tmp_path: Path) -> None:
    machine(built(tmp_path, "三毛猫柴犬"))
    assert list(fonts.labels(CJK).values()) == [*CJK[:5], "class 6"]
    assert fonts.families(["Bläuling"]) == ["DejaVu Sans"]  # the same picture on each machine
    assert fonts.families(CJK[:3]) == ["DejaVu Sans", "Drawn Here"]
    assert text_width("三毛猫", 10) > 2 * text_width("三", 10) > 0


def overlay(name: str, path: Path) -> np.ndarray:
    """The upper left of an overlay, with the label of its box."""
    Image.new("RGB", (300, 200)).save(path / "a.png")
    image = Localization(300, 200, None, None, np.ones((9, 9)), {"threshold": 0.5, "side": 65})
    drawn = predict.overlay(path / "a.png", image, np.zeros((200, 300), np.uint8), name)
    return np.asarray(drawn)[:30]


def test_overlays_tell_classes_apart(machine, tmp_path: Path) -> None:
    for font in ([], [built(tmp_path, "三毛猫柴犬")]):
        machine(*font)
        seen = {overlay(label, tmp_path).tobytes() for label in fonts.labels(CJK).values()}
        assert len(seen) == len(CJK)


def test_figures_tell_classes_apart(machine, recwarn: pytest.WarningsRecorder) -> None:
    machine()
    figure = similarity(np.eye(len(CJK)), CJK, 0.3)
    figure.savefig("/dev/null", format="png")
    written = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert written == {"class 1", "class 2", "Bläuling", "хомяк", "γάτα", "class 6"}
    assert not [warning for warning in recwarn if "missing from font" in str(warning.message)]


def test_predict_says_once_which_classes_have_a_number(
    machine, tmp_path: Path, model: Path, isic
) -> None:
    machine()
    make(tmp_path)
    labels = {"a.jpg": "三毛猫", "b c.png": "柴犬", "d.jpg": "cat"}
    digests = {name: digest((tmp_path / "photos" / name).read_bytes()) for name in labels}
    rows = [f"{name},train,{label},9,9,{digests[name]}\n" for name, label in labels.items()]
    table = tmp_path / "index.csv"
    table.write_text("image_id,split,class,width,height,digest\n" + "".join(rows), "utf-8")
    words = ("--index", table, "--output", tmp_path / "out")
    run = isic("predict", model, tmp_path / "photos", *words)
    (line,) = (line for line in run.said if "no font here" in line)
    assert "2 classes" in line
    run = isic("predict", model, tmp_path / "photos", *words, "--no-overlays")
    assert not any("no font here" in line for line in run.said)
