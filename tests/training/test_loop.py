"""The training loop: windows, curves, what is refused, learning rates."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import SETTINGS, scenes, weights
from torch import Tensor, nn
from trainings import train

from isic.data.batches import MEAN, STD, shuffled
from isic.errors import InputError
from isic.training import loop as training
from isic.training.checkpoint import Checkpoint
from isic.training.inference import infer


class Tiny(nn.Module):
    """The least that `train` takes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))


def in_order(n: int, size: int) -> Callable[[np.random.Generator], Iterator[np.ndarray]]:
    return lambda _: iter(np.arange(n).reshape(-1, size))


def test_masks_are_cut_and_flipped_with_their_images() -> None:
    """Each image shows its own mask, so that losses can compare what reaches them."""
    masks = np.random.default_rng(0).integers(0, 256, (12, 40, 40), np.uint8)
    network, windows = Tiny(), []

    def losses(_model: nn.Module, x: Tensor, rows: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        assert y is not None
        assert x.shape == (4, 3, 32, 32)
        shown = (x[:, 0] * STD[0] + MEAN[0]) * 255
        torch.testing.assert_close(shown.round().to(torch.uint8), y)
        for row, window in zip(rows.tolist(), y.cpu().numpy(), strict=True):
            windows.append(place(masks[row], window))
        return {"loss": network(x).mean()}

    images = np.repeat(masks[..., None], 3, axis=3)
    sampler = in_order(12, 4)
    train(network, images, losses, sampler, epochs=2, seed=0, targets=masks, **SETTINGS)
    assert len(windows) == 24
    assert {flip for _, _, flip in windows} == {False, True}
    assert len({(y, x) for y, x, _ in windows}) > 12  # another crop for each image and epoch


def place(mask: np.ndarray, window: np.ndarray) -> tuple[int, int, bool]:
    """Where in its mask a window was cut."""
    for flip in (False, True):
        straight = window[:, ::-1] if flip else window
        views = np.lib.stride_tricks.sliding_window_view(mask, window.shape)
        found = np.argwhere((views == straight).all((2, 3)))
        if len(found):
            return int(found[0, 0]), int(found[0, 1]), flip
    raise AssertionError("the window is not of this mask")


def test_curves_are_means_over_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    network, logged = Tiny(), []

    def losses(_model: nn.Module, x: Tensor, rows: Tensor, _: Tensor | None) -> dict[str, Tensor]:
        return {"loss": network(x).square().mean(), "row": rows.float().mean()}

    images = scenes(9)[0]
    curves = train(
        network,
        images,
        losses,
        lambda rng: shuffled(9, 4, rng),  # 4 and 5: batches of unequal size
        epochs=2,
        seed=0,
        log=lambda *epoch: logged.append(epoch),
        **SETTINGS,
    )
    assert [row["epoch"] for row in curves] == [1, 2]
    assert [row["row"] for row in curves] == pytest.approx([4, 4])
    assert not network.training
    assert [{"epoch": n, **values} for n, values in logged] == [
        row | {"images_per_second": logged[i][1]["images_per_second"]}
        for i, row in enumerate(curves)
    ]
    assert all(values["images_per_second"] > 0 for _, values in logged)
    _, first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch 1/2: loss [\d.]+ row 4.0000, [\d.]+ images/s, 0:00:00 left", first)
    assert last.startswith("epoch 2/2: loss")


def test_a_long_epoch_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 40)  # seconds a step
    monkeypatch.setattr("isic.training.loop.time.perf_counter", lambda: float(next(clock)))

    def losses(_model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": 0 * x.sum() + 1.0 + 0 * network(x).sum()}

    network = Tiny()
    train(network, scenes(4)[0], losses, in_order(4, 2), epochs=2, seed=0, **SETTINGS)
    assert capsys.readouterr().out.splitlines() == [
        "4 images, 2 epochs, float32 on the CPU",
        "epoch 1/2, 50%: loss 1.0000, 0.1 images/s, 0:02:00 left",
        "epoch 1/2: loss 1.0000, 0.1 images/s, 0:01:20 left",
        "epoch 2/2, 50%: loss 1.0000, 0.1 images/s, 0:00:40 left",
        "epoch 2/2: loss 1.0000, 0.1 images/s, 0:00:00 left",
    ]


@pytest.mark.parametrize(("count", "expected"), [(1, 120), (2, 3)])
def test_several_processes_do_not_wait_for_each_other_at_every_step(
    count: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether to save is agreed on now and then, at the same steps by all."""
    asked = []
    monkeypatch.setattr("isic.training.loop.processes", lambda: count)
    monkeypatch.setattr("isic.training.loop.broadcast_decision", asked.append)

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": model(x).mean()}

    checkpoint = Checkpoint(tmp_path / "a", {})
    images = scenes(240)[0]
    sampler = in_order(240, 2)
    train(Tiny(), images, losses, sampler, epochs=1, seed=0, checkpoint=checkpoint, **SETTINGS)
    assert len(asked) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_training(value: float) -> None:
    logged = []

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": model(x).mean() * value}

    def log(epoch: int, _: dict[str, float]) -> None:
        logged.append(epoch)

    with pytest.raises(InputError, match=r"epoch 1, step 1, images 0, 1: lower learning_rate"):
        train(Tiny(), scenes(4)[0], losses, in_order(4, 2), epochs=3, seed=0, log=log, **SETTINGS)
    assert not logged


def test_of_a_large_batch_the_log_names_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    def losses(model: nn.Module, x: Tensor, rows: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": model(x).mean() * (float("nan") if 15 in rows else 1.0)}

    names = [f"bird/{row}.jpg" for row in range(20)]
    settings = {"epochs": 1, "seed": 0, "image_ids": names, **SETTINGS}
    with pytest.raises(InputError, match=r"epoch 1, step 2, images bird/10\.jpg, .* and 2 more"):
        train(Tiny(), scenes(20)[0], losses, in_order(20, 10), **settings)
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("epoch 1, step 2 is of")
    assert [line.strip() for line in lines[first + 1 : first + 11]] == names[10:]


def test_a_network_that_is_broken_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": model(x).mean() * float("nan")}

    monkeypatch.setattr(training, "CHECKPOINT_EVERY", -1.0)
    saved = Checkpoint(tmp_path / "network", {})
    settings = {"epochs": 1, "seed": 0, "checkpoint": saved, **SETTINGS}
    with pytest.raises(
        InputError,
        match=r"epoch 1, step 1, images 0, 1: .*network\.checkpoint is kept, as it was after",
    ):
        train(Tiny(), scenes(4)[0], losses, in_order(4, 2), **settings)
    # Saved before the first step, and not since.
    assert saved.load(torch.device("cpu"))["step"] == 0


def test_a_crop_larger_than_the_images_is_refused() -> None:
    images, network = scenes(4)[0], Tiny()
    with pytest.raises(InputError, match=r"crop \(48\) is larger than the images \(40 pixels\)"):
        train(network, images, dict, in_order(4, 2), epochs=1, seed=0, **{**SETTINGS, "crop": 48})
    with pytest.raises(InputError, match=r"crop \(48\) is larger"):
        list(infer(images, lambda x, _: x, crop=48))


def test_each_group_has_its_learning_rate() -> None:
    network = Tiny()
    before = weights(network)

    def losses(_model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": network(x).square().mean()}

    settings = {**SETTINGS, "backbone_learning_rate": 0.0, "weight_decay": 0.0}
    train(network, scenes(4)[0], losses, in_order(4, 2), epochs=1, seed=0, **settings)
    after = weights(network)
    assert np.array_equal(before["backbone.0.weight"], after["backbone.0.weight"])
    assert not np.array_equal(before["head.weight"], after["head.weight"])
