"""The GPU suite, in small: what a step measures or why it does not stands in its file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bench
import gpu
import pytest

ROOT = Path(__file__).parents[2]


def test_a_benchmark_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scratch: Path) -> dict:
        raise ValueError("no such card")

    monkeypatch.setattr(bench, "machine", dict)
    monkeypatch.setattr(bench, "BENCHMARKS", {"broken": broken, "sound": lambda scratch: {"a": 1}})
    output = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["bench.py", "--output", str(output)])
    with pytest.raises(SystemExit, match="failed: broken"):
        bench.main()
    found = json.loads(output.read_text())
    assert found["broken"] == {"error": "ValueError: no such card"}
    assert found["sound"] == {"a": 1}


def test_what_takes_too_long_is_ended() -> None:
    assert gpu.ended([sys.executable, "-c", "import time; time.sleep(60)"], 0.1) is None
    assert gpu.ended([sys.executable, "-c", "raise SystemExit(3)"], 60) == 3


@pytest.mark.slow
def test_all_steps_in_small(tmp_path: Path) -> None:
    own = {"SMALL": "1", "OUT": str(tmp_path / "out"), "CUB": str(tmp_path / "cub")}
    environment = {**os.environ, **own, "PYTHON": sys.executable}
    done = subprocess.run([ROOT / "benchmarks/gpu.sh"], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    found = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")}
    assert set(found) == set(gpu.STEPS)
    assert found["cub"]["cub"]["table1"]
    assert found["deterministic"]["deterministic"]["deterministic"]["same_bytes"]
