"""What is read off a Snakemake, how it is ended, and what the run of a folder refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from photos import photos
from processes import alive

from isic.errors import InputError
from isic.product import workflow
from isic.product.workflow import Display, Progress, duration, job_counts, snakemake_words

SAID = """Job stats:
job            count
-----------  -------
index              1
classifier         2
total              3

[Sat Nov 28 02:51:06 2026]
localcheckpoint index:
    input: photos
index:  50%|█████     | 18/36 [00:00<00:00, 98.4 images/s]
Finished jobid: 1 (Rule: index)
1 of 3 steps (33%) done
localrule classifier:
36 images, 2 epochs, bf16 on the CPU
epoch 1/2, 40%: loss 1.1 ce 1.1, 2.7 images/s, 0:01:40 left
"""
EXPECTED = {"index": 10.0, "classifier": 300.0}


def test_jobs_are_counted() -> None:
    assert job_counts(SAID) == {"index": 1, "classifier": 2}
    assert job_counts("Nothing to be done") == {}


def test_progress_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    progress = Progress(job_counts(SAID), expect=lambda: EXPECTED)
    shown = []
    for line in SAID.splitlines():
        clock[0] += 1
        if progress.read(line):
            shown.append(str(progress))
    assert shown == [
        "1 of 3: index",
        "1 of 3: index, 50%, 98.4 images/s",
        "2 of 3: classifier, about 10 min left of the whole",
        # 100 s of this one, as it says itself, and 300 s of the other.
        "2 of 3: classifier, epoch 1/2, 2.7 images/s, about 7 min left of the whole",
    ]
    clock[0] += 100
    assert progress.seconds_left() == pytest.approx(300 * (12 + 60) / (10 + 60))


def test_what_takes_longer_than_expected_is_expected_to_go_on_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    progress = Progress(Counter(index=1, classifier=1), EXPECTED | {"index": 90.0})
    progress.read("rule index:")
    assert progress.seconds_left() == 390
    clock[0] = 240
    progress.read("Finished jobid: 1 (Rule: index)")
    assert progress.seconds_left() == 600  # twice the 300


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "1 min"), (400, "7 min"), (7300, "2 h 2 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_without_a_terminal_a_stage_is_a_line(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    display = Display()
    for second, stage in ((1, "a"), (2, "a"), (3, "b"), (50, "b"), (64, "b")):
        clock[0] = second
        display.show(stage, f"{stage} {second}")
    display.add("warning")
    display.clear()
    assert capsys.readouterr().out.splitlines() == ["a 1", "b 3", "b 64", "warning"]


def test_on_a_terminal_it_is_one_line_no_wider_than_that(
    capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    display = Display()
    display.terminal = True
    display.show("a", "123456789012")
    display.add("warning")
    assert capsys.readouterr().out == "\r\x1b[K123456789\r\x1b[Kwarning\n"


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
wait = "import time; print(1, flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", wait])
time.sleep(60)
"""


def test_it_ends_with_all_its_jobs_however_it_takes_that() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    begin = time.monotonic()
    workflow.stop(process, 0.5)
    assert time.monotonic() - begin < 3
    assert alive(children, 1) == []


def test_what_a_job_said_of_its_failure_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*lines: str) -> list[str]:
        code = f"import sys; print({chr(10).join(lines)!r}); sys.exit(1)"
        monkeypatch.setattr(workflow, "start", lambda _: subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))  # fmt: skip
        with pytest.raises(InputError) as error:
            workflow.run([], Progress(Counter()), Display(), 1)
        return str(error.value).splitlines()

    assert said("isic: warning: small", "isic: a: no room.", "Exiting") == ["a: no room."]
    assert said("oh", "", "no") == ["snakemake has failed. Its last lines:", "oh", "no"]


def test_arguments_of_snakemake() -> None:
    words = snakemake_words(Path("out"), Path("out/s.yaml"), ["a.csv"], [])
    assert words[words.index("--directory") + 1] == "out"
    assert Path(words[words.index("--snakefile") + 1]).is_file()
    assert Path(words[words.index("--workflow-profile") + 1], "config.yaml").is_file()
    assert "--cores" in words
    own = snakemake_words(Path("out"), None, ["a.csv"], ["--workflow-profile", "slurm"])
    assert "--cores" not in own
    assert "--configfile" not in own


HERE = "datasets: {{p: {{source: {{type: folder, root: {}}}}}}}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere", "nowhere: no such folder"),
        ("p/a", "p/a: no class folders with images in it"),
        ("p q", "q: one folder at a time; options of snakemake follow --"),
        ("p{1}", "p{1}: Snakemake takes braces for wildcards"),
        ("p --output p/boxes", "p/boxes: lies in p. Name another folder"),
        ("birds --to coco", "birds: --to, --backbone and --weights are for a folder"),
        ("p --backbone resnet19", "torchvision has no network 'resnet19'"),
        ("p --output others", "others/settings.yaml: is of "),
        ("p --output broken", "broken/settings.yaml: is not the settings of one folder"),
        ("p --output there --weights none", "there/settings.yaml: has the backbone and weights"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_made(
    words: str, message: str, isic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(Path("p"), {"a": 2, "b": 2})
    for name, text in (
        ("others", HERE.format("/elsewhere")),
        ("broken", "datasets: 3"),
        ("there", HERE.format(tmp_path / "p")),
    ):
        Path(name).mkdir()
        Path(name, "settings.yaml").write_text(text, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    done = isic("run", *words.split())
    assert done.status == 1
    assert message in done.only_line
    assert sorted(tmp_path.rglob("*")) == before
