"""What is killed and started again ends with the same files; and so it is whatever --cores is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import kills
import psutil
import pytest
from processes import alive
from workflows import Workflow

from isic.process import INTERRUPTED, WORKFLOW, identity


def test_the_same_files_after_kills_and_on_another_number_of_cores(
    workflow: Workflow, everything: Workflow
):
    """One ran on one core, unbroken; the other on more, killed in each of three ways."""
    results, others = workflow.folder / "results", everything.folder / "results"
    assert len(workflow.made) > 50
    assert workflow.made <= kills.files(others)  # which has more tables and figures
    different = [path for path in workflow.made if not kills.same(results / path, others / path)]
    assert different == []
    left = [path for path in others.rglob("*") if path.name.endswith((".checkpoint", ".part"))]
    assert left == []


def test_a_difference_is_found(tmp_path, workflow: Workflow):
    """The comparison itself."""
    (tmp_path / "birds").mkdir()
    index = workflow.folder / "results/birds/index.csv"
    (tmp_path / "birds" / "index.csv").write_bytes(index.read_bytes() + b" ")
    (tmp_path / "birds" / "more.csv").write_bytes(b"")
    found = list(kills.differences(workflow.folder / "results", tmp_path))
    assert "birds/index.csv: differs" in found
    assert "birds/more.csv: in one only" in found


@pytest.mark.slow
def test_a_job_ends_with_its_workflow(tmp_path):
    """Also if that is killed and cannot tell its jobs."""
    workflow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    birds = ["birds", str(tmp_path / "source"), "--train-images", "5000"]
    job = subprocess.Popen(
        [sys.executable, "-m", "isic.cli", *birds],
        env={**os.environ, WORKFLOW: identity(workflow.pid)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begin = time.monotonic()
    while not psutil.Process(job.pid).children() and time.monotonic() < begin + 30:
        time.sleep(0.1)
    children = psutil.Process(job.pid).children(recursive=True)
    workflow.send_signal(signal.SIGKILL)
    assert job.wait(10) == INTERRUPTED
    workflow.wait()
    assert alive(children) == []
    assert not (tmp_path / "source").exists()


def test_a_second_workflow_waits_its_turn(workflow: Workflow):
    holder = (
        "from isic.storage.locks import lock; lock('.snakemake/isic.lock'); print(1, flush=True)"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", f"{holder}; import time; time.sleep(60)"],
        cwd=workflow.folder,
        stdout=subprocess.PIPE,
    )
    try:
        assert first.stdout is not None
        first.stdout.read(1)
        done = workflow.run("results/birds/table1.csv", "--forcerun", "table1")
        assert done.returncode == 1
        assert "another snakemake works in this folder" in done.stdout
    finally:
        first.kill()
        first.wait()
    assert workflow.planned() == {}
