"""Every relative link of a page points at a file, and at a heading, that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")})


def links(text: str) -> list[str]:
    """Targets of a page's links and pictures that are no addresses; of no code block."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]


def anchors(text: str) -> set[str]:
    """What GitHub calls a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for target in links(page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        there = path.exists()
        if there and anchor:
            there = anchor in anchors(path.read_text(encoding="utf-8"))
        if not there:
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken(page)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("## How is `it` made?\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n[a](other.md) [b](other.md#how-is-it-made) [c](#top) [d](https://a.b/c)\n"
        "```\n[e](nowhere.md)\n```\n"
        "[f](missing.md) ![g](missing.png) [h](other.md#no) [i](#none)\n",
        encoding="utf-8",
    )
    assert broken(page) == ["missing.md", "missing.png", "other.md#no", "#none"]


def test_every_page_of_docs_is_in_the_index() -> None:
    named = links((ROOT / "docs/README.md").read_text(encoding="utf-8"))
    pages = {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages <= set(named)
