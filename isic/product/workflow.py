"""The workflow as a process of its own: where it lies, how it is started, followed and ended."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from isic.errors import InputError
from isic.process import WORKFLOW, cores, identity

PACKAGE = Path(__file__).parents[1]
PLACED = ("--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile", "--executor", "-e")
PATIENCE = 1.0  # seconds that Snakemake has to end by itself
CLUSTER_PATIENCE = 60.0  # the same, where it may have jobs elsewhere to take back
LINE_EVERY = 60.0  # seconds between two lines on one stage, where there is no terminal
TAIL = 20  # lines that are shown of a Snakemake that failed without a word of ours

STARTED = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (\w+)\)$")
STEPS = re.compile(r"(\d+) of (\d+) steps ")
EPOCH = re.compile(
    r"(epoch \d+/\d+).*?, ([\d.]+ images/s), (?:(\d+) days?, )?(\d+):(\d+):(\d+) left"
)
BAR = re.compile(r"[^|]*?(\d+%)\|.*?([\d.]+ images/s)?\]?$")


def workflow_folder() -> Path:
    """The folder of the Snakefile: within the package where that is installed, else beside it."""
    within = PACKAGE / "workflow"
    return within if within.is_dir() else PACKAGE.parent


def snakemake_words(
    folder: Path, settings: Path | None, targets: Sequence[str], more: Sequence[str]
) -> list[str]:
    """Arguments of the Snakemake that makes files in a folder, as a person may type them.

    Args:
        settings: a file that is read after config.yaml.
        targets: files below `folder`.
        more: further arguments, which count before ours.
    """
    place = workflow_folder()
    words = ["--snakefile", str(place / "Snakefile"), "--directory", str(folder)]
    words += ["--workflow-profile", str(place / "profiles/default")]
    if not any(word.startswith(PLACED) for word in more):
        words += ["--cores", str(cores())]
    words += [*more, *targets]
    return words + (["--configfile", str(settings)] if settings else [])


def start(words: Sequence[str]) -> subprocess.Popen[str]:
    """Snakemake in a process group of its own, with all that it and its jobs say on one pipe.

    It ends when this process does, also if that is killed (`isic.process.end_with_the_workflow`).
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "snakemake", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, WORKFLOW: identity(os.getpid())},
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str], patience: float) -> None:
    """End a Snakemake and its jobs: asked first, which takes back a cluster's jobs, then killed."""
    try:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(patience)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def job_counts(said: str) -> Counter[str]:
    """Jobs by rule, from what Snakemake prints before it begins; none if nothing is to be done."""
    table = re.search(r"^Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", said, re.M)
    pairs = [line.split() for line in table[1].splitlines()] if table else []
    return Counter({rule: int(count) for rule, count in pairs if rule != "total"})


def planned(words: Sequence[str]) -> Counter[str]:
    """Jobs by rule that a Snakemake would run.

    Raises:
        InputError: it refuses.
    """
    process = start([*words, "--dry-run"])
    try:
        said = process.communicate()[0]
    except BaseException:
        stop(process, PATIENCE)
        raise
    _check(process.returncode, said.splitlines())
    return job_counts(said)


def run(words: Sequence[str], progress: Progress, display: Display, patience: float) -> None:
    """Run Snakemake to its end.

    Args:
        progress: of its jobs.
        patience: seconds that it has to end by itself, when it is interrupted.

    Raises:
        InputError: a job failed.
        KeyboardInterrupt: Snakemake was ended, and its jobs.
    """
    process = start(words)
    assert process.stdout is not None
    said: deque[str] = deque(maxlen=1000)
    warnings = set()
    try:
        for line in map(str.rstrip, process.stdout):  # a bar's \r ends one, too
            said.append(line)
            if line.startswith(("warning: ", "isic: warning: ")) and line not in warnings:
                warnings.add(line)
                display.add(line)
            if progress.read(line):
                display.show(progress.stage, str(progress))
        process.wait()
    except BaseException:
        stop(process, patience)
        raise
    finally:
        display.clear()
    _check(process.returncode, said)


def _check(status: int, said: Sequence[str]) -> None:
    """Raise what a job or the Snakefile said, where Snakemake came to no good end."""
    if not status:
        return
    if ours := [line for line in said if re.match(r"isic: (?!warning)", line)]:
        raise InputError(ours[-1].removeprefix("isic: "))
    last = [line for line in said if line.strip()][-TAIL:]
    raise InputError("\n".join(["snakemake has failed. Its last lines:", *last]))


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        waiting: jobs by rule that have not ended.
        seconds: what a job of each rule is expected to take; nothing as long as nobody can tell.
    """

    waiting: Counter[str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    expect: Callable[[], Mapping[str, float]] = dict  # asked for them once the index is there

    def __post_init__(self) -> None:
        self.place, self.all = 1, self.waiting.total()
        self.stage = self.words = ""
        self.begin = self.stage_begin = time.monotonic()
        self.ended = 0.0  # expected seconds of the jobs that have ended
        self.spent = 0.0  # and those that they took
        self.left: float | None = None  # of the stage, as it says itself, at `told`
        self.told = 0.0

    def read(self, line: str) -> bool:
        """Take in a line of Snakemake's or a job's; whether it says where the run is."""
        now = time.monotonic()
        if found := STARTED.match(line):
            self.stage, self.words, self.left, self.stage_begin = found[1], "", None, now
        elif found := FINISHED.match(line):
            rule = found[1]
            self.waiting[rule] = max(0, self.waiting[rule] - 1)
            self.spent = now - self.begin
            if rule == "index" and not self.seconds:
                self.seconds = self.expect()
            self.ended += self.seconds.get(rule, 0.0)
            return False
        elif found := STEPS.match(line):  # of which there may be more once the index is there
            self.place, self.all = int(found[1]) + 1, int(found[2])
            return False
        elif found := EPOCH.match(line):
            self.words = f"{found[1]}, {found[2]}"
            days, hours, minutes, seconds = (int(one or 0) for one in found.groups()[2:])
            self.left, self.told = ((days * 24 + hours) * 60 + minutes) * 60 + seconds, now
        elif found := BAR.match(line):
            self.words = ", ".join(filter(None, found.groups()))
        else:
            return False
        return True

    def seconds_left(self) -> float | None:
        """Of the whole; nothing where nobody can tell."""
        if not self.seconds:
            return None
        now = time.monotonic()
        # What has ended took so many times as long as expected; before a minute that says little.
        pace = (self.spent + 60) / (self.ended + 60)
        waiting = self.waiting - Counter([self.stage])
        later = pace * sum(self.seconds.get(rule, 0.0) * n for rule, n in waiting.items())
        if self.left is not None:
            return later + max(0.0, self.left - (now - self.told))
        whole = pace * self.seconds.get(self.stage, 0.0) * (self.waiting[self.stage] > 0)
        return later + max(0.0, whole - (now - self.stage_begin))

    def __str__(self) -> str:
        left = self.seconds_left()
        parts = [f"{self.place} of {self.all}: {self.stage}", self.words]
        parts += [f"about {duration(left)} left of the whole"] if left is not None else []
        return ", ".join(filter(None, parts))


def duration(seconds: float) -> str:
    """A time in words, as rough as it is known."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


class Display:
    """One line that is written over where there is a terminal, else lines, not too many."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.stage, self.shown = "", 0.0

    def add(self, line: str) -> None:
        """Show a line that stays."""
        self.clear()
        print(line, flush=True)

    def show(self, stage: str, line: str) -> None:
        """Show where the run is."""
        now = time.monotonic()
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{line[:width]}", end="", flush=True)
        elif stage != self.stage or now - self.shown > LINE_EVERY:
            print(line, flush=True)
            self.stage, self.shown = stage, now

    def clear(self) -> None:
        if self.terminal:
            print("\r\x1b[K", end="", flush=True)
