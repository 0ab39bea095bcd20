"""A training that is killed goes on where it was saved, and ends as if it had not been."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL
from trainings import train_classifier

from isic.networks.files import save_network
from isic.networks.fusion import FusionNetwork
from isic.training import loop as training
from isic.training.checkpoint import Checkpoint

LABELS = np.arange(24) % 3
SIMILAR = np.eye(3, dtype=bool) | (np.add.outer(np.arange(3), np.arange(3)) == 1)


class Killed(Exception):
    """Stands for the signal."""


def run(path: Path, checkpoint: Checkpoint | None = None) -> list[dict[str, float]]:
    """Train two epochs of three steps, with dropout, and write the network."""
    images = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3), np.uint8)
    torch.manual_seed(1)
    network = FusionNetwork(SMALL, None, channels=8, outputs=3, dropout=0.5)
    curves = train_classifier(
        network,
        images,
        LABELS,
        SIMILAR,
        lam=0.5,
        classes_per_batch=2,
        images_per_class=4,
        epochs=2,
        crop=32,
        learning_rate=0.02,
        backbone_learning_rate=0.01,
        momentum=0.9,
        weight_decay=1e-4,
        precision="float32",
        seed=5,
        checkpoint=checkpoint,
    )
    save_network(path, network, {"kind": "fusion"}, {})
    return curves


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", -1.0)


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_out, calls = training.cut_out, iter(range(99))

    def killing(*arguments):
        if next(calls) == step:
            raise Killed
        return cut_out(*arguments)

    monkeypatch.setattr(training, "cut_out", killing)


def checkpoint(folder: Path, settings: str = "{}", code: str = "0") -> Checkpoint:
    return Checkpoint(folder / "a.safetensors", {"settings": settings, "code": code})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, float]], bytes]:
    """The curves and the network of a training that nothing interrupts."""
    path = tmp_path_factory.mktemp("whole") / "a.safetensors"
    return run(path), path.read_bytes()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The checkpoint of one that was killed at its fourth step."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CHECKPOINT_EVERY", -1.0)
        kill_at(4, patch)
        with pytest.raises(Killed):
            run(folder / "a.safetensors", checkpoint(folder))
    return (folder / "a.safetensors.checkpoint").read_bytes()


@pytest.mark.usefixtures("often")
def test_killed_at_any_step_it_ends_with_the_same_bytes(whole, tmp_path: Path) -> None:
    curves, network = whole
    for step in range(2 * 3):
        found = tmp_path / str(step)
        found.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, patch)
            with pytest.raises(Killed):
                run(found / "a.safetensors", checkpoint(found))
            assert not (found / "a.safetensors").exists()
        assert run(found / "a.safetensors", checkpoint(found)) == curves
        assert (found / "a.safetensors").read_bytes() == network, step


@pytest.mark.usefixtures("often")
def test_it_takes_up_the_work_and_does_not_begin_anew(
    killed: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.safetensors.checkpoint").write_bytes(killed)
    kill_at(2, monkeypatch)  # fewer steps are left than that
    run(tmp_path / "a.safetensors", checkpoint(tmp_path))
    assert "goes on from epoch 2, step 2" in capsys.readouterr().out


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("harm", ["settings", "code", "truncated", "changed", "foreign"])
def test_what_is_of_another_training_or_damaged_is_left_aside(
    harm: str, whole, killed: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.safetensors.checkpoint"
    middle = len(killed) // 2
    flipped = bytes([killed[middle] ^ 1])
    path.write_bytes(
        {
            "truncated": killed[:-1000],
            # one bit of a weight, perhaps: torch would load it
            "changed": killed[:middle] + flipped + killed[middle + 1 :],
            "foreign": b"no checkpoint",
        }.get(harm, killed)
    )
    settings = '{"seed": 1}' if harm == "settings" else "{}"
    state = checkpoint(tmp_path, settings, "1" if harm == "code" else "0")
    assert state.load(torch.device("cpu")) is None
    said = capsys.readouterr().out
    assert ("another training" if harm in ("settings", "code") else "damaged") in said
    assert run(tmp_path / "a.safetensors", state) == whole[0]


def test_a_short_training_saves_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a.safetensors", checkpoint(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
