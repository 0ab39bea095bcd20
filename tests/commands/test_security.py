"""What the code must not do with files of others."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hostile import Evil, png
from networks import SMALL, pictures

from isic.data.image import read
from isic.errors import InputError
from isic.training.checkpoint import Checkpoint

PACKAGE = Path(__file__).parents[2] / "isic"
HELPERS = str(Path(__file__).parents[1] / "helpers")
FORBIDDEN = {
    *("pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "eval", "exec"),
    *("os.system", "os.popen", "joblib.load", "np.load"),
    *("socket.socket", "shutil.unpack_archive", "pd.read_pickle", "dist.all_gather_object"),
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_unpickles_evaluates_or_starts_a_shell(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in FORBIDDEN, f"{path.name}, line {node.lineno}"
            if called == "torch.load":
                assert "weights_only=True" in ast.unparse(node)
            if called.startswith("subprocess."):  # of its own arguments, or pip; without a shell
                starts = {"launch.py", "weights.py", "workflow.py"}
                assert path.name in starts
                assert "shell" not in ast.unparse(node)


def test_a_checkpoint_with_code_in_it_is_left_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint(Path("a"), {})
    torch.save({"identity": checkpoint.identity, "state": Evil()}, data := io.BytesIO())
    checkpoint.path.write_bytes(hashlib.sha256(data.getvalue()).digest() + data.getvalue())
    assert checkpoint.load(torch.device("cpu")) is None
    assert "is damaged; the training begins anew" in capsys.readouterr().out
    assert os.listdir() == ["a.checkpoint"]


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000))
    before, begin = psutil.Process().memory_info().rss, time.perf_counter()
    with pytest.raises(InputError, match="more than"):
        read(tmp_path / "a.png")
    assert time.perf_counter() - begin < 1
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_nothing_listens_on_a_network(processes: int, tmp_path: Path):
    """While one process trains a network, no socket is open; while two do, on the loopback only."""
    np.save(tmp_path / "images.npy", pictures(8, 64))
    script = f"""
import os
import numpy as np, torch
from isic.networks.fusion import FusionNetwork
from trainings import train_classifier
from isic.training.process_group import process_group
import psutil
images = np.load("images.npy")
def log(*_):
    with open(f"{{os.getpid()}}.addresses", "w") as file:
        file.write(" ".join(c.laddr.ip for c in psutil.Process().net_connections("inet")))
with process_group():
    train_classifier(
        FusionNetwork({SMALL!r}, None, channels=4, outputs=2), images, np.arange(8) % 2, None,
        lam=0.0, classes_per_batch=2, images_per_class=2, epochs=1,
        crop=64, learning_rate=0.01, backbone_learning_rate=0.01, momentum=0.9, weight_decay=0.0,
        precision="float32", seed=0, log=log)
"""
    launch = [] if processes == 1 else [sys.executable, "-m", "isic.training.launch", "2"]
    (tmp_path / "train.py").write_text(f"import sys; sys.path.append({HELPERS!r})\n{script}")
    done = subprocess.run(
        [*launch, sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    looked = [file.read_text().split() for file in tmp_path.glob("*.addresses")]
    assert len(looked) == processes
    assert {address for process in looked for address in process} <= {"127.0.0.1", "::1"}
    assert all(bool(process) == (processes > 1) for process in looked)
