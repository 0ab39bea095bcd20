"""The page of predictions, used in a real browser, and `isic export --only` of what it saves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from predicted import CLASSES, IMAGES, make

from isic import InputError
from isic.product.gallery import WARNINGS, gallery_rows, write_gallery
from isic.product.predictions import read_predictions, read_review

NAMES = ["a {{ b }} #1 %20?.jpg", "x/<i>\"'&\\.jpg", "犬/سمكة\n\r.jpg", "</script>" + 120 * "w"]
STRANGE = {name: IMAGES["a.jpg"] for name in NAMES}
HOLD = """() => [...document.querySelectorAll(".tile img")]
    .every((img) => img.complete && img.naturalWidth > 0)"""
BOX = [(5.0, 5.0, 15.0, 15.0)]


def written(root: Path, **more: object) -> Path:
    """A folder of predictions with its page."""
    folder = make(root, **more)
    write_gallery(folder, "my <photos>")
    return folder


@pytest.fixture
def opened(browser) -> Iterator[object]:
    """Opens a folder's page; nothing is loaded but what lies in the folder, and nothing fails."""
    contexts, faults, asked = [], [], []

    def failed(request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the next image was asked for meanwhile
            faults.append(request.url)

    def open_(folder: Path, **options: object) -> object:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", failed)
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "index.html").as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []


def names(page) -> list[str]:
    return [name.split("/")[-1] for name in page.locator(".tile bdi").all_text_contents()]


def at_hand(page) -> str:
    return page.evaluate("document.activeElement.querySelector('bdi').textContent")


def saved(page, folder: Path) -> dict[str, str]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save reviewed.csv").click()
    assert download.value.suggested_filename == "reviewed.csv"
    download.value.save_as(folder / "reviewed.csv")
    return read_review(folder / "reviewed.csv")


def test_what_is_shown_of_an_image(tmp_path: Path) -> None:
    rows = {row[0]: row for row in gallery_rows(read_predictions(make(tmp_path)))}
    assert list(rows) == list(IMAGES)
    assert rows["a.jpg"] == ["a.jpg", "overlays/a.jpg.jpg", CLASSES[0], 0.25, [], ""]
    assert rows["b c.png"][1:5] == ["overlays/b%20c.png.jpg", CLASSES[2], 0.5, [1]]
    assert rows["ü.jpg"][3:5] == [None, [0]]


def test_names_of_any_kind_are_shown_and_found(opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, images=STRANGE))
    page.wait_for_function(HOLD)
    assert sorted(page.locator(".tile bdi").all_text_contents()) == sorted(NAMES)
    assert page.locator("i").count() == 0
    assert page.locator("h1").inner_text() == "my <photos>: boxes"
    assert page.locator("details li").all_text_contents() == ["broken.jpg: cannot be read"]
    page.get_by_label("Find").fill("{{ B")
    assert page.locator(".tile bdi").all_text_contents() == NAMES[:1]
    page.get_by_label("Find").fill("")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Accept undecided").click()
    assert saved(page, tmp_path) == dict.fromkeys(NAMES, "accepted")


def test_the_keyboard_alone(opened, tmp_path: Path) -> None:
    images = {f"{number}.jpg": ((20, 20), 0, BOX) for number in range(12)}
    page = opened(written(tmp_path, images=images))
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.role") == "option":
            break
    assert at_hand(page) == "0.jpg"
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    for key in ("a", "2", "W", "a"):
        page.keyboard.press(key)
    assert at_hand(page) == "4.jpg"
    for key in ("ArrowDown", "ArrowDown"):  # there is no second row below in its column
        page.keyboard.press(key)
        assert at_hand(page) == "9.jpg"
    page.keyboard.press("End")
    assert at_hand(page) == "11.jpg"
    page.keyboard.press("Home")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "u", "Enter"):
        page.keyboard.press(key)
    large = page.get_by_role("dialog", name="3.jpg")
    assert large.is_visible()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("dialog", name="2.jpg").locator(".state").inner_text() == "! box wrong"
    page.keyboard.press("Control+a")  # the browser's own
    for key in ("ArrowRight", "ArrowRight", "r", "Escape"):
        page.keyboard.press(key)
    page.wait_for_function("document.activeElement.innerText.startsWith('5.jpg')")
    said = {"0.jpg": "accepted", "1.jpg": "rejected", "2.jpg": "box-wrong", "4.jpg": "rejected"}
    assert saved(page, tmp_path) == said
    page.reload()
    assert "1 accepted, 2 rejected, 1 box wrong" in page.get_by_role("status").inner_text()
    assert saved(page, tmp_path) == said
    # What was said of these boxes is not said of others.
    write_gallery(make(tmp_path, images=images | {"0.jpg": ((20, 20), 1, BOX)}), "others")
    page.reload()
    assert "0 accepted, 0 rejected, 0 box wrong" in page.get_by_role("status").inner_text()


def test_sorted_and_filtered(opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path))
    assert names(page) == ["ü.jpg", "a.jpg", "b c.png", "d.jpg"]
    page.get_by_label("Sort").select_option("surest first")
    assert names(page) == ["b c.png", "d.jpg", "a.jpg", "ü.jpg"]
    page.get_by_label("Sort").select_option("by name")
    assert names(page) == ["a.jpg", "b c.png", "d.jpg", "ü.jpg"]
    page.get_by_label("Class").select_option(CLASSES[2])
    assert names(page) == ["b c.png"]
    page.get_by_label("Warnings").select_option("none")
    assert names(page) == []
    assert page.get_by_text("No image to show").is_visible()
    page.get_by_label("Class").select_option("all")
    assert names(page) == ["a.jpg", "d.jpg"]
    for warning, found in zip(WARNINGS, (["ü.jpg"], ["b c.png"], []), strict=True):
        page.get_by_label("Warnings").select_option(warning)
        assert names(page) == found
    page.get_by_label("Warnings").select_option("any")
    assert names(page) == ["b c.png", "ü.jpg"]
    page.locator(".tile").first.focus()
    page.keyboard.press("r")
    assert names(page) == ["b c.png", "ü.jpg"]  # none goes while one looks
    page.get_by_label("State").select_option("undecided")
    assert names(page) == ["ü.jpg"]
    page.get_by_label("State").select_option("rejected")
    assert names(page) == ["b c.png"]


def test_the_mouse_alone(opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path))
    page.locator(".tile").first.click()
    for name in ("Accept", "Next", "Box wrong", "Previous", "Undo", "Reject", "Close"):
        page.get_by_role("dialog").get_by_role("button", name=name).click()
    assert not page.get_by_role("dialog").is_visible()
    assert saved(page, tmp_path) == {"ü.jpg": "accepted", "b c.png": "rejected"}


def test_light_and_dark_wide_and_narrow(opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, images=IMAGES | STRANGE))
    page.wait_for_function(HOLD)
    page.emulate_media(color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(back) == "rgb(22, 22, 22)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    for width in (1400, 320):
        page.set_viewport_size({"width": width, "height": 600})
        page.evaluate("scrollTo(0, 0)")
        for place in page.locator("button:visible, select, input").all():
            check_within(place.bounding_box(), width, 1e9)
        page.locator(".tile[tabindex='0']").press("End")
        page.keyboard.press("Enter")
        for place in page.locator("dialog button, dialog img").all():
            check_within(place.bounding_box(), width, 600)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.keyboard.press("Escape")


def check_within(box: dict[str, float], width: float, height: float) -> None:
    assert 0 <= box["x"] < box["x"] + box["width"] <= width
    assert 0 <= box["y"] < box["y"] + box["height"] <= height


def test_no_image(opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, images={}))
    assert page.get_by_text("No image to show").is_visible()
    page.get_by_role("button", name="Accept undecided").click()
    assert saved(page, tmp_path) == {}


@pytest.mark.slow
def test_ten_thousand_images(opened, tmp_path: Path) -> None:
    """Time is the page's own, so that it does not depend on what else the machine does."""
    folder = make(tmp_path, images={"a.jpg": ((20, 20), 0, BOX)})
    for name in ("images.csv", "boxes.csv"):
        head, row, *_ = (folder / name).read_text().splitlines()
        rows = [row.replace("a.jpg", f"{n:05}.jpg", 1) for n in range(10_000)]
        (folder / name).write_text("\n".join([head, *rows]) + "\n")
    write_gallery(folder, "many")
    page = opened(folder)
    assert "10000 of 10000 images" in page.get_by_role("status").inner_text()
    page.wait_for_function(HOLD)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "TaskDuration")

    page.reload()
    page.wait_for_function(HOLD)
    assert seconds() < 2
    before = seconds()
    for _ in range(10):
        page.evaluate("scrollBy(0, 40_000)")
        page.wait_for_function(HOLD)
        assert 10 < page.locator(".tile").count() < 120
        page.wait_for_function(  # two rows of tiles, as soon as the browser has told of the scroll
            "() => { const top = list.getBoundingClientRect().top;"
            "return [...drawn.values()].filter((t) => t.offsetTop + top < innerHeight"
            " && t.offsetTop + t.offsetHeight + top > 0).length >= 2 * across; }"
        )
    assert seconds() - before < 2
    page.locator(".tile").first.focus()
    page.keyboard.press("End")
    assert at_hand(page) == "09999.jpg"
    page.keyboard.press("a")
    assert saved(page, tmp_path) == {"09999.jpg": "accepted"}


def test_export_takes_the_accepted_alone(tmp_path: Path, isic) -> None:
    folder, review = make(tmp_path), tmp_path / "reviewed.csv"
    review.write_text('image_id,state\n"a.jpg",accepted\nü.jpg,accepted\nd.jpg,box-wrong\n')

    def export(*words: object) -> object:
        return isic("export", "coco", folder, tmp_path / "coco.json", "--only", review, *words)

    assert "coco.json, 2 images, 2 objects" in "\n".join(export().output)
    assert "coco.json, 1 images, 1 objects" in "\n".join(export("--state", "box-wrong").output)
    assert "no image is rejected in it" in export("--state", "rejected").only_line
    review.write_text("image_id,state\ne.jpg,accepted\n")
    assert "image e.jpg is not in" in export().only_line
    review.write_text("image_id,state\na.jpg,good\n")
    with pytest.raises(InputError, match=r"reviewed\.csv: the state 'good' is none of accepted"):
        read_review(review)
