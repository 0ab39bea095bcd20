"""Several processes of one command: one failure is one line, and none outlives the others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from processes import alive

LAUNCH = [sys.executable, "-m", "isic.training.launch"]


def launched(count: int, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*LAUNCH, str(count), sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_each_process_knows_which_it_is(tmp_path: Path):
    script = (
        "import os\n"
        "names = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE')\n"
        "open(os.environ['RANK'], 'w').write(' '.join(os.environ[name] for name in names))\n"
    )
    assert launched(3, script, tmp_path).returncode == 0
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {str(rank): f"{rank} {rank} 3 3" for rank in range(3)}


def test_bad_input_is_one_line(tmp_path: Path):
    """Though each process says it, and without torchrun's traceback."""
    command = [sys.executable, "-m", "isic.cli", "classifier", "no.csv", "no.h5", "OUT/a", "OUT/b"]
    done = subprocess.run(
        [*LAUNCH, "2", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.match("rank [01]: isic: no.csv: cannot be read", line)
    assert not (tmp_path / "OUT").exists()


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("sys.exit('isic: no room')", 1, "rank 1: isic: no room\n"),
        ("os.kill(os.getpid(), 9)", 137, "isic: rank 1 was ended by signal 9.\n"),
    ],
    ids=["error", "signal"],
)
def test_one_that_fails_ends_the_others(fault: str, status: int, said: str, tmp_path: Path):
    script = (
        "import os, sys, time\n"
        f"if os.environ['RANK'] == '1': {fault}\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    begin = time.monotonic()
    done = launched(2, script, tmp_path)
    assert time.monotonic() < begin + 30
    assert (done.returncode, done.stderr) == (status, said)
    assert not any(map(psutil.pid_exists, map(int, done.stdout.split())))


def test_what_they_say_is_passed_on_at_once(tmp_path: Path):
    """With whose it is; what hangs would show nothing else."""
    script = (
        "import os, sys, time\n"
        "print('a warning', os.environ['RANK'], file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [*LAUNCH, "2", sys.executable, "-c", script]
    launcher = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert launcher.stderr is not None
        lines = {launcher.stderr.readline() for _ in range(2)}
        assert launcher.poll() is None
    finally:
        launcher.kill()
        launcher.communicate()
    assert lines == {f"rank {rank}: a warning {rank}\n" for rank in range(2)}


def test_an_error_is_told_though_another_process_ends_before_it(tmp_path: Path):
    """The one that notices is first; the one that knows has time to say what it was."""
    script = (
        "import os, sys, time\n"
        "if os.environ['RANK'] == '0': sys.exit(70)\n"
        "time.sleep(0.5)\n"
        "sys.exit('isic: no room')\n"
    )
    done = launched(2, script, tmp_path)
    assert (done.returncode, done.stderr) == (1, "rank 1: isic: no room\n")


@pytest.mark.slow
def test_they_end_with_what_started_them(tmp_path: Path):
    """Also if that is killed and cannot tell them."""
    command = [sys.executable, "-m", "isic.cli", "birds", "source", "--train-images", "5000"]
    launcher = subprocess.Popen(
        [*LAUNCH, "2", *command],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "4"},  # cores, of which each has two
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begin = time.monotonic()
    started = psutil.Process(launcher.pid)
    while len(started.children(recursive=True)) < 4 and time.monotonic() < begin + 60:
        time.sleep(0.1)  # until the processes draw: each has helpers of its own
    children = started.children(recursive=True)
    assert len(children) >= 4
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    assert alive(children) == []
    assert not (tmp_path / "source").exists()
