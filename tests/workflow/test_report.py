"""The report of a whole run, opened in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from workflows import Workflow

FIGURES = ("similarity", "loss_curves", "localization", "similar_classes")
RESULTS = {f"table{number}.csv" for number in (1, 2, 3, 4)}
RESULTS |= {f"{figure}.png" for figure in FIGURES} | {"summary.html"}


# Shows each result of the report in turn, and then says in the page's title how many there were.
TOUR = """<script>
const content = {"text/html": "html", "image/png": "img"};
const views = Object.entries(results).map(([path, result]) => ({
  navbarMode: "resultinfo", resultPath: path, contentPath: result.data_uri,
  content: content[result.mime_type]
}));
views.push({content: "stats"});
let shown = 0;
const next = () => {
  const view = views.pop();
  if (view) { app.setView(view); shown += 1; setTimeout(next, 300); }
  else document.title = `shown: ${shown}`;
};
setTimeout(next, 300);
</script>"""
LOADS = """<img src="https://example.org/a.png">
<iframe src="data:text/html,<img src=http://example.org/b.png>"></iframe>"""


@pytest.fixture(scope="module")
def run(everything: Workflow) -> Workflow:
    """That run, with its report."""
    done = everything.run("results/birds/all", "--report", "report.html")
    assert done.returncode == 0, done.stdout
    return everything


@pytest.fixture(scope="module")
def report(run: Workflow) -> str:
    return (run.folder / "report.html").read_text(encoding="utf-8")


def variable(report: str, name: str) -> dict:
    """A JavaScript variable of the report's page, which is JSON."""
    start = re.search(rf'<script id="[\w-]+">\s*var {name} = ', report)
    assert start
    return json.JSONDecoder().raw_decode(report, start.end())[0]


def test_a_second_run_for_all_does_nothing(run: Workflow):
    assert "Nothing to be done" in run.run("results/birds/all").stdout


def test_what_was_deleted_is_made_again(run: Workflow):
    figure = run.folder / "results/birds/figures/localization.png"
    kept = figure.rename(figure.with_suffix(".kept"))
    planned = run.run("results/birds/all", "-n").stdout
    kept.rename(figure)
    assert "rule figure_localization" in planned
    assert "rule classifier" not in planned


def test_the_report_holds_every_table_figure_and_caption(run: Workflow, report: str):
    results = variable(report, "results")
    assert {Path(path).name for path in results} == RESULTS
    for path, result in results.items():
        encoded = result["data_uri"].partition(";base64,")[2]
        assert base64.b64decode(encoded) == (run.folder / path).read_bytes(), path
        assert "of the paper" in result["caption"] or path.endswith("summary.html"), path
        assert "birds" in result["caption"]
        assert "system-message" not in result["caption"]  # docutils' errors
        assert result["labels"]["data set"] == "birds"
    description = variable(report, "workflow_desc")
    assert "ECCV 2022" in description
    assert "system-message" not in description


def test_the_summary_says_what_a_reader_asks_for(run: Workflow):
    page = (run.folder / "results" / "birds" / "summary.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "training images 32 test images 8 true boxes 40" in text
    for words in ("BASE+ICFS+NMF+SEG", "ISIC (this run)", "λ", "γ", "segmenter", "torchvision"):
        assert words in text
    assert "BASE+NMF+SEG" in text
    assert "Not made yet" not in text
    assert "learning_rate: 0.01" in text


def test_the_report_names_no_place(run: Workflow, report: str):
    """What is embedded in the page, the pictures aside: Snakemake's own programs are not ours."""
    results = variable(report, "results")
    own = [variable(report, name) for name in ("rules", "workflow_desc", "categories")]
    own += [{key: value for key, value in r.items() if key != "data_uri"} for r in results.values()]
    own += [(run.folder / path).read_text("utf-8") for path in results if not path.endswith("png")]
    text = json.dumps(own, ensure_ascii=False)
    assert not re.search(r"(?<![\w.…}*<])/(?:home|root|tmp|usr|work|Users)/", text)
    assert str(run.folder) not in text
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)


def loaded(page: Path, scratch: Path) -> tuple[str, set[str]]:
    """Open a page in Chromium: its title at the end, and the addresses that it asked for."""
    log = scratch / "net.json"
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever is asked for stays here
            *(f"--user-data-dir={scratch / 'profile'}", f"--log-net-log={log}"),
            *("--virtual-time-budget=30000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search("<title>(.*)</title>", done.stdout)
    requests = [event.get("params", {}) for event in json.loads(log.read_text("utf-8"))["events"]]
    # What Chromium asks for on its own account has no origin.
    asked = {r["url"] for r in requests if r.get("initiator", "not an origin") != "not an origin"}
    return title[1] if title else "", {
        url for url in asked if not url.startswith(("data:", "file:"))
    }


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium, to open the report")
def test_opening_the_report_loads_nothing_from_outside(run: Workflow, report: str, tmp_path: Path):
    (tmp_path / "tour.html").write_text(report + TOUR, encoding="utf-8")
    title, asked = loaded(tmp_path / "tour.html", tmp_path)
    assert title == f"shown: {len(RESULTS) + 1}"
    assert asked == set()
    # The same look at a page that does load tells so.
    (tmp_path / "loads.html").write_text(LOADS, encoding="utf-8")
    _, asked = loaded(tmp_path / "loads.html", tmp_path)
    assert asked == {"https://example.org/a.png", "http://example.org/b.png"}
