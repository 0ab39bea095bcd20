"""This process: which of several it is, its cores and threads, and with what it ends."""

from __future__ import annotations

import getpass
import io
import math
import os
import platform
import select
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

DEFECT = 70  # exit status of a defect of the program: EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
WORKFLOW = "ISIC_WORKFLOW"  # the process that this one ends with, see `identity`
MEETING = "ISIC_MEETING"  # where the processes of `isic.training.launch` meet

_CORES_OF_JOB = os.environ.get("OMP_NUM_THREADS", "")  # before `use_threads` sets it


def processes() -> int:
    """How many processes train together.

    Of WORLD_SIZE and RANK, which many a container sets for its own ends, only those count that our
    launcher or torchrun set.
    """
    return _told("WORLD_SIZE", 1)


def rank() -> int:
    """This process's number among them, from 0; 0 alone writes files."""
    return _told("RANK", 0)


def neighbours() -> int:
    """How many of them are on this machine."""
    return _told("LOCAL_WORLD_SIZE", 1)


def nodes() -> int:
    """On how many machines they are."""
    return 1 if MEETING in os.environ else _told("GROUP_WORLD_SIZE", 1)


def _told(name: str, alone: int) -> int:
    together = MEETING in os.environ or "TORCHELASTIC_RUN_ID" in os.environ
    return int(os.environ.get(name, alone)) if together else alone


def cores() -> int:
    """How many cores this process may keep busy, with threads that change no result.

    As many as OMP_NUM_THREADS says, which Snakemake sets to a job's `threads`; else as the
    operating system, a cluster or a container gives. Processes that train together share them.
    """
    given = _CORES_OF_JOB.partition(",")[0].strip()  # one number for each level of nesting
    by_torchrun = given == "1" and neighbours() > 1 and MEETING not in os.environ  # not by a person
    if given.isdecimal() and int(given) and not by_torchrun:
        count = int(given)
    elif hasattr(os, "sched_getaffinity"):
        count = min(len(os.sched_getaffinity(0)), math.ceil(_quota()))
    else:
        count = os.cpu_count() or 1
    return max(1, count // neighbours())


@cache
def _quota(root: Path = Path("/")) -> float:
    """Cores' worth of time that control groups leave this process, as a container's limit does."""
    least = float(os.cpu_count() or 1)
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            groups = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            group = PurePosixPath(own.lstrip("/"))
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # no such group, "max", or -1: no limit
                    words = " ".join((groups / folder / file).read_text() for file in files)
                    quota, period = map(int, words.split())
                    if quota > 0:
                        least = min(least, quota / period)
    return least


def use_threads(count: int) -> None:
    """Have the libraries compute with so many threads; before they are loaded.

    Sums are split among threads, and with another number of them the last digits differ, from which
    a training goes elsewhere: so the number is a setting, and does not follow the machine.
    """
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(count)
    # OpenMP's threads spin while they wait, without end where there are as many as cores: as soon
    # as another process wants a core, a training is ten times slower. A short spin costs nothing
    # alone, and a fifth as much then. torch's OpenMP reads this when it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def name_user() -> None:
    """Give a user without a name, as containers have them, the number for one.

    Snakemake and torch ask for the name, and fail without.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # since Python 3.13 OSError
        os.environ["USER"] = str(os.getuid())


def open_streams() -> None:
    """Lead standard streams that are closed (`>&-`) nowhere.

    A file that is opened later would take their place, and what is printed would go into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def identity(pid: int) -> str:
    """What tells a process from those that have its number elsewhere, or had it before: the
    machine, the number and, on Linux, the time of its start; of none that is here, no time."""
    start = ""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        start = status.rpartition(")")[2].split()[19]
    return f"{platform.node()} {pid} {start}"


def end_with_the_workflow() -> None:
    """End this process when the Snakemake that started it is gone, even killed by SIGKILL.

    Nobody waits for its work then, and a workflow started again would do the same beside it.
    Nothing is done where it runs on another machine or in another container.
    """
    workflow = os.environ.get(WORKFLOW, "")  # set by rules/common.smk
    words = workflow.split(" ")
    if len(words) != 3 or not words[1].isdecimal() or not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(int(words[1]))
    except OSError:
        return
    if identity(int(words[1])) != workflow:
        os.close(handle)
        return

    def wait() -> None:
        select.select([handle], [], [])  # readable when the process ends
        with suppress(OSError):
            os.write(2, f"isic: process {words[1]}, which started this, is gone: ends.\n".encode())
        os._exit(INTERRUPTED)

    threading.Thread(target=wait, daemon=True).start()


def take_any_name() -> None:
    """Have Python take file names in UTF-8, and print also those that are not.

    In the locale C, where it was told not to, Python could write no name with an umlaut into a
    file: the command is then started again, in its place.
    """
    if sys.getfilesystemencoding() == "ascii" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
