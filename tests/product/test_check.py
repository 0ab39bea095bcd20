"""Contact sheets of pseudo-masks, opened in a real browser."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from networks import pictures
from PIL import Image

from isic import InputError
from isic.data.image import read
from isic.data.pack import join_shards, pack, pack_shard
from isic.method.masks import write_masks
from isic.method.nmf import class_direction
from isic.product.check import _kinds, check_page, heated, masked
from isic.storage.hdf5 import new_hdf5

CLASSES = ["cat", '<b>"x" & ü', "dead", "odd"]
EACH, SIDE, ARM = 12, 64, "lambda~1.0_gamma~0.3_seed~0"
THRESHOLDS = "one image at several thresholds"
N = 8  # channels


def features(rng: np.random.Generator, kind: str) -> np.ndarray:
    """(9, 9, N) float16: a blob in some channels; nothing where the class is dead."""
    y, x = np.mgrid[:9, :9]
    cy, cx, width = rng.uniform(3, 6), rng.uniform(3, 6), rng.uniform(1, 3)
    blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / width**2)[..., None]
    channels = np.zeros(N)
    channels[slice(6, 8) if kind == "odd" else slice(0, 6)] = 1
    return (0 * blob * channels if kind == "dead" else blob * channels + 1e-3).astype(np.float16)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path, dict.fromkeys(CLASSES, EACH))


def made(folder: Path, counts: Mapping[str, int]) -> Path:
    """A run up to its masks, in two shards of classes, as the workflow leaves it."""
    root, results = folder / "source", folder / "results/set"
    rng = np.random.default_rng(0)
    rows = []
    names = [(name, i) for name, count in counts.items() for i in range(count)]
    for image, (name, i) in zip(pictures(len(names), SIDE), names, strict=True):
        folder = root / name.replace("/", "")
        folder.mkdir(parents=True, exist_ok=True)
        size = (SIDE, SIDE // 2) if i % 2 else (SIDE, SIDE)
        Image.fromarray(image).resize(size).save(folder / f"{i}.png")
        rows.append((f"{name}/{i}.png", "train", name, *size))
    index = pd.DataFrame(rows, columns=["image_id", "split", "class", "width", "height"])
    index["digest"] = [read(root / image_id)[1] for image_id in index["image_id"]]
    (results / ARM).mkdir(parents=True)
    index.to_csv(results / "index.csv", index=False)
    pack(index, root, results / f"images~{SIDE}.h5", SIDE)
    for shard in (0, 1):
        part = index[index["class"].isin(list(counts)[2 * shard : 2 * shard + 2])]
        labels = part["class"].map(list(counts).index).to_numpy()
        paths = [results / ARM / kind / f"{shard}.h5" for kind in ("features", "directions")]
        with new_hdf5(paths[0], {}) as file, new_hdf5(paths[1], {"compress": 1.0}) as found:
            file["image_id"] = part["image_id"].to_numpy(object)
            file["label"] = labels
            file["features"] = np.stack([features(rng, name) for name in part["class"]])
            numbers = np.unique(labels)
            found["label"] = numbers
            found["direction"] = np.stack(
                [
                    class_direction(file["features"], np.flatnonzero(labels == c), "gram", 1.0)
                    for c in numbers
                ]
            )
            thresholds = {"foreground": 1.5, "background": 1.0}
            attributes = {"settings": '{"foreground": 1.5, "background": 1.0}'}
            masks = results / ARM / "masks" / f"{shard}.h5"
            write_masks(masks, file, found, SIDE, attributes, **thresholds)
    return results / ARM


def test_each_class_has_its_sheet_and_its_warnings(run: Path) -> None:
    page, warnings = check_page(run, 3)
    assert page.count("<section") == len(CLASSES)
    assert [text.split(":")[0] for text in warnings] == ["class dead", "class dead", "class odd"]
    assert "100% of its pseudo-masks are empty" in warnings[0]
    assert "unlike the other classes'" in warnings[1] and "unlike" in warnings[2]  # noqa: PT018
    sections = page.split("<section")[1:]
    for section in sections:
        kinds, _, tried = section.partition(THRESHOLDS)
        names = re.findall(r'alt="([^"]*)"', kinds)
        assert len(names) == len(set(names)) == 9
        assert len(set(re.findall(r'alt="([^"]*)"', tried))) == 1
        assert tried.count("(in use)") == 1
    sure = [float(text) for text in re.findall(r"sure ([\d.]+)", sections[0])]
    assert min(sure[:3]) >= max(sure[3:6]) >= min(sure[3:6]) >= max(sure[6:])


@pytest.mark.parametrize("images", range(1, 14))
def test_no_image_stands_twice_in_a_class(images: int) -> None:
    kinds = _kinds(np.arange(images), 4)
    shown = [row for chosen in kinds.values() for row in chosen]
    assert len(shown) == len(set(shown)) == min(images, 12)
    assert kinds["best"][0] == 0
    if images > 4:
        assert kinds["worst"][0] == images - 1


def test_without_features_the_page_says_so(run: Path) -> None:
    shutil.rmtree(run / "features")
    page, _ = check_page(run, 2)
    assert THRESHOLDS not in page
    assert "feature maps are gone" in page


def test_where_each_shard_of_features_was_deleted_the_page_says_so(run: Path) -> None:
    """As Snakemake leaves it with features.on_disk: the files are gone, their folder is there."""
    for path in (run / "features").iterdir():
        path.unlink()
    page, _ = check_page(run, 2)
    assert THRESHOLDS not in page
    assert "feature maps are gone" in page


@pytest.mark.parametrize("examples", [1, 4])
def test_classes_of_few_images_have_sheets(examples: int, tmp_path: Path) -> None:
    counts = dict(zip(CLASSES, (1, 2, 3, 4), strict=True))
    page, _ = check_page(made(tmp_path, counts), examples)
    for section, count in zip(page.split("<section")[1:], counts.values(), strict=True):
        kinds, _, tried = section.partition(THRESHOLDS)
        names = re.findall(r'alt="([^"]*)"', kinds)
        assert len(names) == len(set(names)) == min(count, 3 * examples)
        assert tried.count("<img") == 6
        assert tried.count("(in use)") == 1


def test_masks_over_the_whole_image_are_warned_of(run: Path) -> None:
    with h5py.File(run / "masks/0.h5", "r+") as file:
        for row in range(EACH):  # of the first class
            file["mask"][row] = 1
        file["object_share"][:EACH] = 1
    page, warnings = check_page(run, 2)
    assert warnings[0] == "class cat: 100% of its pseudo-masks take the whole image for object"
    assert "100% object, sure 1.00" in page


def test_a_run_without_trouble_says_so(tmp_path: Path) -> None:
    page, warnings = check_page(made(tmp_path, {"cat": 6, '<b>"x" & ü': 6, "dog": 6}), 2)
    assert warnings == []
    assert "warnings" not in page.partition("<body>")[2]
    assert "No class has many empty masks" in page


def test_images_kept_as_jpeg_serve_as_well(run: Path) -> None:
    whole = run.parent / f"images~{SIDE}.h5"
    whole.unlink()
    index = pd.read_csv(run.parent / "index.csv", dtype=str, keep_default_na=False)
    source = run.parents[2] / "source"
    pack_shard(index, source, run.parent / f"images~{SIDE}/0.h5", SIDE)
    join_shards([run.parent / f"images~{SIDE}/0.h5"], whole)
    assert check_page(run, 2)[0].count("<img") == len(CLASSES) * (6 + 6)


def test_colours_tell_object_background_and_what_is_left_out() -> None:
    image = np.full((8, 8, 3), (10, 200, 60), np.uint8)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4, 2:4], mask[6:] = 1, 255
    shown = masked(image, mask)
    assert shown[2, 2].tolist() == [10, 200, 60]
    assert shown[1, 2].tolist() == [255, 140, 0]
    assert shown[0, 0].max() < shown[7, 0].min()
    assert np.ptp(shown[0, 0]) == np.ptp(shown[7, 0]) == 0


def test_a_map_of_zeros_is_dark() -> None:
    image = np.full((8, 8, 3), 200, np.uint8)
    assert heated(image, np.zeros((8, 8))).max() <= 72
    heat = np.zeros((8, 8))
    heat[0, 0] = 1e-6  # what counts is where the map is highest
    assert heated(image, heat)[0, 0].mean() > 150


def test_runs_that_cannot_be_shown_are_named(run: Path) -> None:
    def refused(folder: Path, word: str) -> None:
        with pytest.raises(InputError, match=word) as caught:
            check_page(folder, 2)
        assert "\n" not in str(caught.value)

    refused(run.parent, r"has no masks/\*\.h5")
    (run / "directions/1.h5").rename(run / "directions/1.gone")
    refused(run, r"directions of classes \[2, 3\] are missing: make those of each shard")
    (run / "directions/1.gone").rename(run / "directions/1.h5")
    index = (run.parent / "index.csv").read_text()
    (run.parent / "index.csv").write_text(index.replace("cat/3.png", "cat/x.png"))
    refused(run, r"image cat/3\.png is not in .*index\.csv")
    (run.parent / "index.csv").write_text(index + "cat/y.png,test,cat,64,64,0\n")
    refused(run, rf"images~{SIDE}\.h5: its images are not those of the index")
    (run.parent / "index.csv").unlink()
    refused(run, r"index\.csv: does not exist")


def test_a_shard_without_masks_is_named(run: Path) -> None:
    with new_hdf5(run / "masks/0.h5", {}) as file:
        file["other"] = [1]
    with pytest.raises(InputError, match=r"masks/0\.h5: holds no mask "):
        check_page(run, 2)


def test_a_missing_shard_of_masks_is_named(run: Path) -> None:
    (run / "masks/1.h5").unlink()
    with pytest.raises(InputError, match="masks") as caught:
        check_page(run, 2)
    assert "\n" not in str(caught.value)


def test_the_command_writes_the_page_and_prints_the_warnings(run: Path, tmp_path: Path, isic):
    done = isic("check", run, "--examples", "1")
    assert done.status == 0
    _, *warnings, written, _ = done.output
    page, expected = check_page(run, 1)
    assert warnings == [f"warning: {text}" for text in expected]
    assert written.startswith(f"written: {run / 'check.html'}, ")
    assert (run / "check.html").read_text(encoding="utf-8") == page
    assert isic("check", run, tmp_path / "new/page.html").status == 0
    assert (tmp_path / "new/page.html").stat().st_size > len(page)


def test_the_command_refuses_in_one_line(run: Path, isic) -> None:
    done = isic("check", run.parent)
    assert done.status == 1
    (line,) = done.error
    assert line.startswith(f"isic: {run.parent}: has no masks")
    assert not (run.parent / "check.html").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    from playwright.sync_api import sync_playwright

    quiet = ("background-networking", "component-update", "sync")
    flags = ["--no-sandbox", "--disable-gpu", *(f"--disable-{name}" for name in quiet)]
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=flags)


def test_the_page_in_a_browser(run: Path, browser, tmp_path: Path) -> None:
    path = tmp_path / "check.html"
    path.write_text(check_page(run, 3)[0], encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    sizes = page.eval_on_selector_all(
        "img", "all => all.map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.width])"
    )
    assert len(sizes) == len(CLASSES) * (9 + 6)
    assert all(complete and 0 < width == shown for complete, width, _, shown in sizes)
    assert {height for _, _, height, _ in sizes} == {84, 168}  # each in its own aspect
    names = page.locator("#classes tbody td:first-child").all_inner_texts()
    assert names == CLASSES
    assert page.locator("#classes tbody tr").count() == len(CLASSES)
    assert page.locator("b").count() == 0  # the name with a tag in it is text
    assert page.locator("section h2").all_inner_texts() == names
    texts = page.locator("body > ul.warnings li").all_inner_texts()
    assert len(texts) == 3
    assert page.locator("tr.flagged").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#classes a").nth(3).click()
    assert page.evaluate("window.scrollY") > 0
    assert page.locator("section").nth(3).locator("ul.warnings").is_visible()
    used = page.locator("figure.used img").first
    assert used.evaluate("i => getComputedStyle(i).outlineStyle") == "solid"
    page.screenshot(path=tmp_path / "check.png")
    page.close()


def test_links_lead_to_the_classes(run: Path, browser, tmp_path: Path) -> None:
    (tmp_path / "check.html").write_text(check_page(run, 3)[0], encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 400})
    page.goto((tmp_path / "check.html").as_uri())
    for number, name in enumerate(CLASSES):
        page.evaluate("window.scrollTo(0, 0)")
        page.locator("#classes a").nth(number).click()
        section = page.locator("section").nth(number)
        assert section.locator("h2").inner_text() == name
        assert section.evaluate("s => Math.abs(s.getBoundingClientRect().top)") < 50
    page.close()


def test_warnings_and_the_threshold_in_use_are_seen(run: Path, browser, tmp_path: Path) -> None:
    html, warnings = check_page(run, 3)
    (tmp_path / "check.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto((tmp_path / "check.html").as_uri())
    shown = page.locator("body > ul.warnings li")
    assert shown.all_inner_texts() == warnings
    assert all(item.is_visible() for item in shown.all())
    for number, name in enumerate(CLASSES):
        section = page.locator("section").nth(number)
        own = [text.removeprefix(f"class {name}: ") for text in warnings if f" {name}: " in text]
        assert section.locator("ul.warnings li").all_inner_texts() == own
        flagged = page.locator("#classes tbody tr").nth(number).get_attribute("class")
        assert (flagged == "flagged") == bool(own)
        used = section.locator("figure.used")
        assert used.count() == 1
        assert "above 1.50 (in use)" in used.inner_text()
        widths = section.locator("img").evaluate_all(
            "all => all.map(i => [getComputedStyle(i).outlineStyle, i.closest('.used') !== null])"
        )
        assert all((style == "solid") == inside for style, inside in widths)
    assert not page.get_by_text("feature maps are gone").count()
    shutil.rmtree(run / "features")
    (tmp_path / "check.html").write_text(check_page(run, 3)[0], encoding="utf-8")
    page.reload()
    assert page.get_by_text("feature maps are gone").is_visible()
    assert page.locator("figure.used").count() == 0
    page.close()
