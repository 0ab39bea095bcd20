"""Contact sheets of pseudo-masks, opened in a real browser."""

import shutil
from pathlib import Path

import pytest
from masked import CLASSES, EACH, made

from isic.product.check import check_page

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path, dict.fromkeys(CLASSES, EACH))


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
        assert "above 0.60 (in use)" in used.inner_text()
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
