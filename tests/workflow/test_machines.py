"""Machines as containers and shells make them: no name, no home, no output to write to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TINY = {"type": "birds", "genera": 1, "species": 2, "train_images": 1, "test_images": 1, "size": 40}
NOBODY = ["unshare", "--map-user=54321"]


def may_be_nobody() -> bool:
    tried = [*NOBODY, "true"] if shutil.which("unshare") else ["false"]
    return subprocess.run(tried, capture_output=True).returncode == 0


def run(
    folder: Path, ending: str, *before: str, source: dict | None = None, **variables: str
) -> subprocess.CompletedProcess:
    """The index of a tiny set, by a shell command that ends so."""
    settings = {"datasets": {"tiny": {"source": source or TINY}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [*before, sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["results/tiny/index.csv", "--cores", "1", "--configfile", "tiny.yaml"]
    environment = {k: v for k, v in os.environ.items() if k not in ("USER", "LOGNAME")} | variables
    shell = ["bash", "-o", "pipefail", "-c", f'"$@" {ending}', "sh", *command]
    return subprocess.run(shell, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [">&-", ">&- 2>&-", "| true"])
def test_nobody_reads_what_a_workflow_says(ending: str, tmp_path: Path) -> None:
    """Its jobs' logs are whole, and what they made stays."""
    done = run(tmp_path, ending)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/tiny/index.csv").is_file()
    log = (tmp_path / "results/tiny/logs/index.log").read_text(encoding="utf-8")
    assert "written: results/tiny/index.csv" in log


@pytest.mark.slow
def test_a_job_that_fails_still_fails(tmp_path: Path) -> None:
    """Though what shows its output cannot."""
    (tmp_path / "empty").mkdir()
    done = run(tmp_path, ">&-", source={"type": "folder", "root": "empty"})
    assert done.returncode == 1
    assert "isic: empty: " in done.stderr
    assert not (tmp_path / "results/tiny/index.csv").exists()


@pytest.mark.slow
@pytest.mark.skipif(not may_be_nobody(), reason="may not be another user")
def test_a_user_without_a_name_and_a_home(tmp_path: Path) -> None:
    done = run(tmp_path, "", *NOBODY, HOME="/proc/1/none")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/tiny/index.csv").is_file()
