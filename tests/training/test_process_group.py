"""Several processes train as one does; two processes of a machine never take one GPU."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from isic.errors import InputError
from isic.storage import locks
from isic.training import devices
from isic.training.process_group import all_gather_rows, local_rows, row_ranges

SCRIPT = Path(__file__).parents[1] / "helpers" / "trained_together.py"
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # a process: more would be in each other's way


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return _trained([], tmp_path_factory.mktemp("one") / "one.json")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict:
    starter = ["-m", "isic.training.launch", "2", sys.executable]
    return _trained(starter, tmp_path_factory.mktemp("two") / "two.json")


@pytest.mark.slow
def test_two_processes_give_the_curves_of_one(one: dict, two: dict) -> None:
    """Gloo on the CPU, the same global batches: losses, accuracy and statistics within rounding."""
    _same_curves(one, two)


@pytest.mark.slow
def test_two_processes_go_on_where_they_were(one: dict, two: dict) -> None:
    """Of one checkpoint, which the first wrote; each with its own dropout."""
    assert two["resumed"] == two["whole"] != one["whole"]


@pytest.mark.slow
def test_two_nodes_give_the_curves_of_one_process(one: dict, tmp_path: Path) -> None:
    """Two agents of torchrun that meet at an address, as on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    node += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}"]
    output = tmp_path / "two.json"
    other = subprocess.Popen([sys.executable, *node, SCRIPT, output], env=ONE_THREAD)
    try:
        found = _trained(node, output)
        assert other.wait(60) == 0
    finally:
        other.kill()
    _same_curves(one, found)


def _trained(starter: list[str], output: Path) -> dict:
    command = [sys.executable, *starter, SCRIPT, output]
    subprocess.run(command, check=True, timeout=300, env=ONE_THREAD)
    return json.loads(output.read_text())


def _same_curves(one: dict, two: dict) -> None:
    for stage in ("classifier", "segmenter"):
        assert len(one[stage]) == len(two[stage]) == 3
        for expected, row in zip(one[stage], two[stage], strict=True):
            assert row == pytest.approx(expected, rel=1e-4), stage
        assert two[stage][0]["loss"] == pytest.approx(one[stage][0]["loss"], rel=1e-6)
        assert one[stage][0]["loss"] != one[stage][2]["loss"]
    assert two["variance"] == pytest.approx(one["variance"], rel=1e-4)
    assert two["head"] == pytest.approx(one["head"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("n", "expected"), [(8, [3, 3, 2]), (3, [1, 1, 1]), (4, [1, 1, 2])])
def test_row_ranges(n: int, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    found = row_ranges(n)
    rows = [list(range(n))[share] for share in found]
    assert sum(rows, []) == list(range(n))  # noqa: RUF017
    assert sorted(map(len, rows)) == sorted(expected)
    monkeypatch.setenv("RANK", "2")
    assert local_rows(n) == found[2]


def test_alone_nothing_is_gathered() -> None:
    marker = object()
    assert all_gather_rows(marker, 3) is marker  # type: ignore[arg-type]


def open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.parent / "elsewhere")


def somebody_elses(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, 54321, -1)


def test_the_folder_of_the_locks_is_made_or_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        devices.own_folder(tmp_path / "locks")
        assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", [open_to_all, link, Path.touch, somebody_elses])
def test_a_folder_that_others_may_write_to_holds_no_locks(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    if make is somebody_elses and os.getuid():
        pytest.skip("root alone gives a folder away")
    make(tmp_path / "locks")
    with pytest.raises(InputError, match=r"locks: is not a folder that only you.* set TMPDIR"):
        devices._take(["a"], tmp_path / "locks")


def test_a_gpu_is_picked_for_a_user_without_a_name_and_computes_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pretended GPU; what is float32 is not TF32 there."""
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("getpass.getuser", lambda: {}["uid not found"])
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    pretended = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_properties": lambda _: SimpleNamespace(uuid="GPU-1"),
        "set_device": lambda _: None,
    }
    with mock.patch.multiple(torch.cuda, **pretended):
        assert devices.pick_device.__wrapped__() == torch.device("cuda", 0)
    assert (tmp_path / f"isic-gpus-{os.getuid()}" / "GPU-1").exists()
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_no_two_take_the_same_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "_held", held := [])
    taken = [devices._take(["a", "b"], tmp_path / "locks") for _ in range(2)]
    assert taken == [0, 1]
    capsys.readouterr()
    waiting = threading.Thread(
        target=lambda: taken.append(devices._take(["a", "b"], tmp_path / "locks", wait=0.01))
    )
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()  # both are held
    held.pop(1).close()  # as the end of a process does
    waiting.join(10)
    assert taken == [0, 1, 1]
    assert capsys.readouterr().out.splitlines() == [
        "all 2 GPUs are held by other isic commands: waiting for one to end."
    ]
