"""A model file, and what it finds in images of all kinds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import CLASSES, CROP, RESIZE, SETTINGS, SMALL, pictures
from odd_images import BROKEN, BROKEN_NAMES, READ, SIZES, H, W, write_all
from PIL import Image
from safetensors import safe_open

from isic import InputError, Localization, Localizer
from isic.data.image import decode_small
from isic.localization.boxes import View, boxes_from_maps, from_view
from isic.localization.objects import refined
from isic.localization.views import whole
from isic.method.recognizer import best_classes
from isic.networks.files import load_model, save_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def localizer(model: Path) -> Localizer:
    return Localizer.load(model)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number}.png" for number in range(5)]
    for path, image in zip(paths, pictures(5, 120), strict=True):
        Image.fromarray(image[:90]).save(path)
    return paths


def test_a_model_holds_all_and_nothing_is_unpickled(
    model: Path, networks: tuple[Path, Path], monkeypatch
) -> None:
    monkeypatch.setattr("pickle.Unpickler", None)
    monkeypatch.setattr("pickle.loads", None)
    loaded = load_model(model)
    assert loaded.settings == SETTINGS
    assert loaded.classes == CLASSES
    assert loaded.metadata == {"versions": "{}"}
    x = torch.rand(2, 3, CROP, CROP)
    with torch.no_grad():
        for network, path in zip((loaded.segmenter, loaded.recognizer), networks, strict=True):
            with safe_open(path, "pt") as file:
                weight = file.get_tensor("head.weight")
            assert torch.equal(network.head.weight.cpu(), weight)
            assert not network.training
            assert network(x)[1].shape[1] == len(weight)


def test_files_that_are_no_model_are_named(
    model: Path, networks: tuple[Path, Path], tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("no model")
    cut = tmp_path / "cut"
    cut.write_bytes(model.read_bytes()[:-100])
    for path, word in (
        (networks[0], "is one network of a run"),
        (text, "no model that isic wrote"),
        (cut, "damaged"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            Localizer.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="has 3 outputs, not the one of a segmenter"):
        save_model(tmp_path / "new", networks[1], None, SETTINGS, CLASSES, {})
    with pytest.raises(InputError, match="has 3 outputs, not 2, one for each class"):
        save_model(tmp_path / "new", networks[0], networks[1], SETTINGS, CLASSES[:2], {})
    assert not (tmp_path / "new").exists()


def test_the_segmenter_sees_what_the_workflow_shows_it(
    localizer: Localizer, files: list[Path]
) -> None:
    """The workflow resizes with Pillow and then with torch; here Pillow does both."""
    squares = [
        np.asarray(Image.open(path).resize((RESIZE, RESIZE), Image.Resampling.BILINEAR))
        for path in files
    ]
    theirs = whole(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float(), CROP)
    ours = [localizer._seen(path, False).whole for path in files]
    difference = np.abs(np.stack(ours) - theirs.permute(0, 2, 3, 1).numpy())
    assert difference.max() < 1.01  # rounding


def test_boxes_are_those_of_its_maps(localizer: Localizer, files: list[Path]) -> None:
    views = np.stack([localizer._seen(path, False).whole for path in files])
    expected = boxes_from_maps(localizer.maps(views), 0.5, (CROP, CROP))
    boxes = from_view(expected.boxes, np.tile([120, 90], (5, 1)), View(CROP))
    for found, box in zip(localizer(files), boxes, strict=True):
        assert found.boxes[0].tolist() == box.tolist()


def test_the_class_is_the_recognizers(localizer: Localizer, files: list[Path]) -> None:
    squares = np.stack(
        [np.asarray(Image.open(path).resize((72, 72), Image.Resampling.BILINEAR)) for path in files]
    )
    best, probability = best_classes(localizer.model.recognizer, squares, 1, crop=64)
    for found, name, share in zip(localizer(files), best[:, 0], probability[:, 0], strict=True):
        assert found.class_name == CLASSES[name]
        assert found.probability == pytest.approx(share, abs=1e-4)
    assert localizer(files[0], classes=False)[0].class_name is None


def test_files_arrays_and_pillow_images_are_one(localizer: Localizer, files: list[Path]) -> None:
    image = Image.open(files[0])
    kinds = [files[0], str(files[0]), image, np.asarray(image), image.convert("RGBA")]
    results = localizer(kinds)
    assert {str(result) for result in results} == {str(results[0])}
    assert str(localizer(kinds[3])[0]) == str(localizer(image)[0]) == str(results[0])
    assert isinstance(results[0], Localization)
    assert len(results[0]) == len(results[0].boxes) == len(results[0].masks()) == 1
    assert results[0].masks()[0].shape == (90, 120)
    assert localizer([]) == []


def test_no_gpu_is_held(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook would make every command wait, or wait for them. Of a pretended GPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("isic.product.localizer.place", lambda *_: None)
    monkeypatch.setattr("isic.training.devices._take", lambda *_: pytest.fail("held"))
    assert Localizer.load(model).device == torch.device("cuda")
    assert Localizer.load(model, "cpu").device == torch.device("cpu")


def test_the_batch_does_not_matter(localizer: Localizer, files: list[Path]) -> None:
    many = files * 3
    one = [found.boxes for found in localizer.stream(many, batch_size=1)]
    seven = [found.boxes for found in localizer.stream(many, batch_size=7)]
    assert np.allclose(one, seven)


def test_each_image_is_refined_to_its_own_colours(localizer: Localizer, files: list[Path]) -> None:
    found = list(localizer.stream([files[0], "nowhere.jpg", *files[1:]], refine=True))
    del found[1]
    for path, one, plain in zip(files, found, localizer(files), strict=True):
        mask = refined(plain._map, localizer._seen(path, False).whole)
        assert (one._options["mask"] == mask).all()
        assert one.boxes.tolist() != plain.boxes.tolist()


def test_an_image_that_cannot_be_read_is_named(localizer: Localizer, files: list[Path]) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jpg: cannot be read \(No such file"):
        localizer([files[0], "nowhere.jpg"])
    with pytest.raises(InputError, match=r"shape \(4, 4\), float64: give \(h, w, 3\) uint8"):
        localizer([np.zeros((4, 4))])
    (files[0].parent / "cut.png").write_bytes(files[0].read_bytes()[:300])
    with (
        Image.open(files[0].parent / "cut.png") as cut,
        pytest.raises(InputError, match=r"PngImageFile.*: cannot be read \("),
    ):
        localizer(cut)
    results = list(localizer.stream([files[0], "nowhere.jpg", files[1]], batch_size=2))
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Localization", "InputError", "Localization"]


def test_every_kind_of_image_is_read_or_named(localizer: Localizer, tmp_path: Path) -> None:
    read, broken = write_all(tmp_path / "odd")
    assert len(read) + len(broken) >= 45
    results = dict(
        zip([*read, *broken], localizer.stream([*read, *broken], all_objects=True), strict=True)
    )
    for path in read:
        found = results[path]
        assert isinstance(found, Localization), found
        assert (found.width, found.height) == SIZES.get(path.name, (W, H)), path.name
        for mask, box in zip(found.masks(), found.boxes, strict=True):
            assert mask.shape == (found.height, found.width)
            assert (box >= 0).all()
            assert (box[[2, 0]] <= found.width).all()
            assert (box[:2] < box[2:]).all()
    words = {name: word for name, (_, word) in BROKEN.items()} | BROKEN_NAMES
    for path in broken:
        error = results[path]
        assert isinstance(error, InputError), path.name
        assert str(path) in str(error)
        assert words[path.name] in str(error)
        assert "\n" not in str(error)
    assert len(READ) >= 30


def test_orientations_and_modes_find_the_same(localizer: Localizer, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (6, 9), np.uint8)).resize((90, 60))
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    grey.convert("P").save(tmp_path / "palette.png")
    grey.convert("RGBA").save(tmp_path / "alpha.png")
    wide = np.asarray(grey).astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    grey.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    expected, *others = localizer(sorted(tmp_path.glob("*.png")))
    for other in others:
        assert str(other) == str(expected)


def test_large_photographs_are_reduced_in_decoding_and_look_alike(
    localizer: Localizer, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(pictures(1, 200)[0]).resize((1200, 900)).save(path, quality=95)
    reduced, whole = localizer._seen(path, False), localizer._seen(Image.open(path), False)
    assert reduced.size == whole.size == (1200, 900)
    assert np.abs(reduced.whole.astype(int) - whole.whole).max() <= 6
    with path.open("rb") as file:
        assert decode_small(file.read(), RESIZE)[0].size == (300, 225)


def test_the_name_is_found_without_loading_torch() -> None:
    code = "import isic, sys; print('Localizer' in isic.__all__, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False"]
    assert Localizer.__module__ == "isic.product.localizer"
    with pytest.raises(AttributeError, match="no attribute 'Localiser'"):
        __import__("isic").Localiser  # noqa: B018


def test_the_readmes_three_lines_run(model: Path, files: list[Path], monkeypatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start = text.index("from isic import Localizer")
    code = text[start : text.index("```", start)]
    monkeypatch.chdir(files[0].parent)
    code = code.replace("photos-boxes/model.safetensors", str(model))
    code = code.replace("a.jpg", "0.png").replace("b.jpg", "1.png")
    exec(compile(code, "README.md", "exec"), {})


PHOTOS = ROOT / "../shared/data/photos8"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/data/photos8")
def test_real_photographs(localizer: Localizer) -> None:
    paths = sorted((PHOTOS / "test/cat").glob("*.jpg"))[:40]
    results = localizer(paths, all_objects=True, min_area=0.01)
    assert len(results) == 40
    for path, found in zip(paths, results, strict=True):
        with Image.open(path) as image:
            assert (found.width, found.height) == image.size


def test_the_header_tells_what_made_it(model: Path) -> None:
    with safe_open(model, "pt") as file:
        header = json.loads(file.metadata()["isic"])["model"]
    assert set(header) == {"settings", "classes", "networks", "versions"}
    assert header["networks"]["segmenter"]["backbone"] == SMALL
