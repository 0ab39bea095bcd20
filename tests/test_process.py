"""A process knows which of several it is, its cores, its workflow; and has its streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isic import process
from isic.process import INTERRUPTED, WORKFLOW, cores, identity, name_user, processes, rank

JOB = "from isic.process import end_with_the_workflow as end; end(); print(1, flush=True); input()"


def started(code: str, **options) -> subprocess.Popen[str]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code], text=True, **pipes, **options)


# Which of several


def test_a_rank_that_others_set_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers and clusters do for their own ends."""
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "8"), ("LOCAL_WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert (processes(), rank()) == (1, 0)
    monkeypatch.setenv("WORLD_SIZE", "many")
    assert processes() == 1


@pytest.mark.parametrize("sign", ["TORCHELASTIC_RUN_ID", process.MEETING])
def test_torchruns_and_our_launchers_count(sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ((sign, "1"), ("RANK", "1"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert (processes(), rank()) == (8, 1)


# Cores


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Eight cores, of which six are this process's, and nothing that limits them."""
    monkeypatch.setattr(process, "_CORES_OF_JOB", "")
    monkeypatch.setattr(process.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(process.os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(process, "_quota", lambda: 8.0)
    return monkeypatch


def test_the_cores_are_those_that_the_system_gives(machine: pytest.MonkeyPatch) -> None:
    assert cores() == 6
    machine.setattr(process, "_quota", lambda: 1.5)
    assert cores() == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [("3", 3), ("3,2", 3), ("16", 16), ("1", 1), ("0", 6), ("", 6), ("-2", 6), ("all", 6)],
)
def test_a_jobs_number_of_threads_is_its_number_of_cores(
    given: str, expected: int, machine: pytest.MonkeyPatch
) -> None:
    """Snakemake sets OMP_NUM_THREADS to it."""
    machine.setattr(process, "_CORES_OF_JOB", given)
    assert cores() == expected


def test_nothing_else_counts_the_machines_cores() -> None:
    """But for the page that says on what it ran."""
    package = Path(process.__file__).parent
    counting = {p.name for p in package.rglob("*.py") if "cpu_count" in p.read_text("utf-8")}
    assert counting == {"process.py", "report.py"}


def test_processes_of_one_machine_share_its_cores(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("TORCHELASTIC_RUN_ID", "1")
    machine.setenv("LOCAL_WORLD_SIZE", "2")
    assert cores() == 3
    machine.setattr(process, "_CORES_OF_JOB", "1")  # torchrun's own default
    assert cores() == 3
    machine.setattr(process, "_CORES_OF_JOB", "4")
    assert cores() == 2
    machine.setenv("LOCAL_WORLD_SIZE", "16")
    assert cores() == 1


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/job/step", {"job/cpu.max": "200000 100000", "job/step/cpu.max": "max 100000"}, 2),
        ("0::/job/step", {"job/cpu.max": "200000 100000", "job/step/cpu.max": "5 10"}, 0.5),
        ("4:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_quota_us": "3"}, 3),
        ("5:memory:/a\n0::/", {}, 8),
    ],
)
def test_a_containers_limit_is_found(
    own: str, files: dict[str, str], expected: float, tmp_path: Path, machine: pytest.MonkeyPatch
) -> None:
    machine.undo()
    machine.setattr(process.os, "cpu_count", lambda: 8)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"{own}\n")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
        path.with_name("cpu.cfs_period_us").write_text("1\n")
    assert process._quota(tmp_path) == expected


# The workflow


def test_a_process_ends_with_its_workflow_and_says_so() -> None:
    workflow = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    job = started(JOB, env={**os.environ, WORKFLOW: identity(workflow.pid)})
    assert job.stdout is not None
    assert job.stderr is not None
    job.stdout.readline()
    assert job.poll() is None
    workflow.kill()
    workflow.wait()
    assert job.wait(10) == INTERRUPTED
    said = f"isic: process {workflow.pid}, which started this, is gone: ends.\n"
    assert job.stderr.read() == said


@pytest.mark.parametrize("part", [0, 2], ids=["machine", "start"])
def test_the_same_number_elsewhere_or_later_is_another_process(part: int) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    words = identity(other.pid).split(" ")
    words[part] += "1"
    job = started(JOB, env={**os.environ, WORKFLOW: " ".join(words)})
    assert job.stdout is not None
    job.stdout.readline()
    other.kill()
    other.wait()
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.5)
    assert job.communicate("\n", timeout=10) == ("", "")
    assert job.returncode == 0


@pytest.mark.parametrize("value", ["", "17", "a b c", "here 99999999 1"])
def test_a_workflow_that_is_not_here_ends_nothing(value: str) -> None:
    job = started(JOB, env={**os.environ, WORKFLOW: value})
    assert job.communicate("\n", timeout=10) == ("1\n", "")
    assert job.returncode == 0


# The user, the streams


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_has_the_number_for_one(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise error("uid not found")

    monkeypatch.setenv("USER", "")
    name_user()
    assert os.environ["USER"] == ""
    monkeypatch.setattr(process.getpass, "getuser", nobody)
    name_user()
    assert os.environ["USER"] == str(os.getuid())


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_else_takes_the_place_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    """What is printed would go into the next file that is opened."""
    code = (
        "import sys; from isic.process import open_streams; open_streams()\n"
        "with open('a', 'w') as file:\n"
        "    print('said'); print('said', file=sys.stderr); sys.stdout.isatty()\n"
        "    sys.stdout.flush(); file.write(str(file.fileno() > 2))"
    )
    shell = f'"$0" -c "$1" {closed}'
    subprocess.run(["sh", "-c", shell, sys.executable, code], cwd=tmp_path, check=True)
    assert (tmp_path / "a").read_text() == "True"
