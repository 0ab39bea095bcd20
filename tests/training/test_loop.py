"""The training loop and the three trainings that pass through it."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL
from torch import Tensor, nn
from torch.nn import functional
from trainings import train, train_classifier, train_recognizer, train_segmenter

from isic.data.batches import MEAN, STD, shuffled
from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.method.classifier import collapse
from isic.method.segmenter import segmentation_loss
from isic.networks.fusion import FusionNetwork, PlainNetwork
from isic.training import loop as training
from isic.training.checkpoint import Checkpoint
from isic.training.inference import infer

SETTINGS = {
    "crop": 32,
    "learning_rate": 0.02,
    "backbone_learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "float32",
}
COLOURS = np.array([[230, 40, 40], [40, 230, 40], [40, 40, 230]], np.uint8)


def scenes(n: int = 24, side: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square in its class's colour on grey noise: images, classes, and where the squares are."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 150, (n, side, side, 3), np.uint8)
    masks = np.zeros((n, side, side), np.uint8)
    labels = np.arange(n) % len(COLOURS)
    for image, mask, label in zip(images, masks, labels, strict=True):
        y, x = rng.integers(4, side - 24, 2)
        image[y : y + 20, x : x + 20] = COLOURS[label]
        mask[y : y + 20, x : x + 20] = 1
    return images, labels, masks


class Tiny(nn.Module):
    """The least that `train` takes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in a)


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


PAIR = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)  # classes 0 and 1 are similar


def classifier(
    seed: int = 0, build: int = 0, drawn: int = 0, similar: np.ndarray | None = PAIR, **changes
) -> tuple[FusionNetwork, list[dict]]:
    """A classifier trained on the scenes."""
    torch.manual_seed(build)
    network = FusionNetwork(SMALL, None, channels=8, outputs=3, dropout=0.2)
    torch.rand(drawn)  # the state that other code leaves behind
    images, labels, _ = scenes()
    settings = {
        "lam": 0.5,
        "classes_per_batch": 2,
        "images_per_class": 4,
        "epochs": 2,
        **SETTINGS,
        **changes,
    }
    return network, train_classifier(network, images, labels, similar, seed=seed, **settings)


def test_the_seed_decides_everything() -> None:
    network, curves = classifier(seed=3)
    first = weights(network)
    network, again = classifier(seed=3, drawn=7)
    assert same(first, weights(network))
    assert curves == again
    assert not same(first, weights(classifier(seed=4)[0]))
    assert not same(first, weights(classifier(seed=3, build=1)[0]))


def test_lambda_weighs_icfs() -> None:
    bare, curves = classifier(lam=0)
    assert curves[0]["loss"] == curves[0]["ce"]
    assert curves[0]["icfs"] > 0  # measured all the same
    assert 0 < curves[0]["intra"] < 2
    full, curves = classifier(lam=0.5)
    for row in curves:
        assert row["loss"] == pytest.approx(row["ce"] + 0.5 * row["icfs"], rel=1e-4)
    assert not same(weights(bare), weights(full))


def test_without_similar_classes_icfs_does_nothing() -> None:
    none = np.zeros((3, 3), bool)
    network, curves = classifier(lam=2.0, similar=none)
    assert curves[0]["icfs"] == 0
    assert same(weights(network), weights(classifier(lam=0, similar=none)[0]))


def test_curves_measure_the_vectors() -> None:
    """Of one batch with all images, before its step: norm and intra as their definitions say."""
    images, labels, _ = scenes()
    network = Shallow()
    before = training.normalised(torch.from_numpy(images[:, 4:36, 4:36]))
    settings = {"lam": 0.0, "classes_per_batch": 3, "images_per_class": 8}
    (row,) = train_classifier(
        network, images[:, 4:36, 4:36], labels, None, epochs=1, seed=0, **settings, **SETTINGS
    )
    with torch.no_grad():
        x = Shallow().features(before).mean((2, 3)).double()  # flips change a mean a little
    assert row["norm"] == pytest.approx(x.square().sum(1).mean().sqrt().item(), rel=0.05)
    distances = (x[:, None] - x[None]).square().mean(2)
    of_two = distances.sum() / (len(x) * (len(x) - 1))
    mates = torch.from_numpy(labels[:, None] == labels[None]).fill_diagonal_(False)
    assert row["intra"] == pytest.approx((distances[mates].mean() / of_two).item(), rel=0.1)


def test_where_no_classes_are_known_to_be_similar_icfs_is_not_measured() -> None:
    network, curves = classifier(lam=0, similar=None)
    assert "icfs" not in curves[0]
    assert same(weights(network), weights(classifier(lam=0)[0]))


def test_every_lambda_and_gamma_has_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms differ in the loss alone."""
    drawn: list[list[int]] = []
    cut_out = training.cut_out

    def watched(pictures, rows, *window):
        drawn[-1] += [*rows.tolist(), *np.concatenate(window[:3]).tolist()]
        return cut_out(pictures, rows, *window)

    monkeypatch.setattr(training, "cut_out", watched)
    near = np.random.default_rng(0).random((3, 3))
    for lam, similar in ((0, None), (0, PAIR), (0.5, PAIR), (2.0, ~PAIR)):
        drawn.append([])
        classifier(lam=lam, similar=similar, near=near)
    assert drawn[0]
    assert all(arm == drawn[0] for arm in drawn)
    drawn.append([])
    classifier(lam=0.5, near=None)
    assert drawn[-1] != drawn[0]


class Shallow(nn.Module):
    """One convolution and a head: what its loss asks of it, it does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Conv2d(3, 8, 8, stride=8)
        self.head = nn.Conv2d(8, 3, 1)

    def features(self, x: Tensor) -> Tensor:
        return self.backbone(x).relu()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fused = self.features(x)
        return fused, self.head(fused)


def test_icfs_pulls_similar_classes_together() -> None:
    """Not so if ICFS were the vectors' norm, or M_i the class alone, or the dissimilar classes."""
    images, labels, _ = scenes()

    def distances(lam: float, similar: np.ndarray) -> np.ndarray:
        """Of the classes' mean vectors, as shares of their sum: 0 and 1, 0 and 2, 1 and 2."""
        network = Shallow()
        settings = SETTINGS | {"lam": lam, "classes_per_batch": 3, "images_per_class": 8}
        train_classifier(network, images, labels, similar, epochs=15, seed=0, **settings)
        found = infer(images, lambda x, _: network.features(x).mean((2, 3)), crop=32)
        x = np.concatenate(list(found))
        mean = np.stack([x[labels == label].mean(0) for label in range(3)])
        pairs = [np.square(mean[a] - mean[b]).sum() for a, b in ((0, 1), (0, 2), (1, 2))]
        return np.array(pairs) / np.sum(pairs)

    none = distances(0.0, PAIR)
    for pair, order in enumerate(([0, 1, 2], [0, 2, 1], [2, 1, 0])):
        similar = PAIR[order][:, order]
        assert distances(2.0, similar)[pair] < 0.2 * none[pair]


def encoded(images: np.ndarray, path: Path) -> Encoded:
    """These images kept in a file, as bytes."""
    path.write_bytes(images.tobytes())
    shape, size = images.shape[1:], images[0].nbytes
    places = np.arange(len(images))

    def decode(data: bytes) -> np.ndarray:
        return np.frombuffer(data, np.uint8).reshape(shape)

    return Encoded([path], 0 * places, size * places, size + 0 * places, shape, decode)


def test_encoded_images_train_the_same_network(tmp_path: Path) -> None:
    images, _, masks = scenes()
    settings = {"crop": 32, "epochs": 2, "batch_size": 8, "seed": 3, "precision": "float32"}
    settings |= {"learning_rate": 0.05, "backbone_learning_rate": 0.05}
    settings |= {"momentum": 0.9, "weight_decay": 1e-4}
    found = []
    for kind in (lambda array, _: array, lambda array, name: encoded(array, tmp_path / name)):
        torch.manual_seed(0)
        network = FusionNetwork(SMALL, None, channels=8, outputs=1)
        curves = train_segmenter(network, kind(images, "i"), kind(masks, "m"), **settings)
        whole = np.concatenate(list(infer(kind(images, "i"), lambda x, _: x.mean((2, 3)), crop=24)))
        found.append((curves, weights(network), whole))
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])


def test_collapse() -> None:
    first = {"accuracy": 0.2, "norm": 10.0}
    assert collapse([first, {"accuracy": 0.9, "norm": 1.0}], 10, finished=True) is None
    chance = [first, {"accuracy": 0.1, "norm": 8.0}]
    assert "at chance (10 classes)" in str(collapse(chance, 10, finished=True))
    assert collapse(chance, 10, finished=False) is None  # as any training begins
    small = [first, {"accuracy": 0.1, "norm": 4.0}]
    assert "norm fell from 10 to 4" in str(collapse(small, 10, finished=False))
    learnt = [first, {"accuracy": 0.9, "norm": 0.01}]
    assert collapse(learnt, 10, finished=False) is None
    assert collapse([{"accuracy": 1.0, "norm": 1.0}], 2, finished=True) is None  # 2 × chance is 1
    assert collapse([{"accuracy": 0.95, "norm": 1.0}], 2, finished=True) is None
    assert collapse([{"accuracy": 0.5, "norm": 1.0}], 2, finished=True) is not None


def test_icfs_that_collapses_the_features_is_said_in_its_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Eq. 5 far too heavy: every feature shrinks (docs/method.md)."""
    classifier(lam=1000.0, epochs=8)
    lines = capsys.readouterr().out.splitlines()
    (warning,) = (place for place, line in enumerate(lines) if line.startswith("warning:"))
    assert re.search(
        r"collapsed in epoch \d: the image vectors' norm fell from .* lam", lines[warning]
    )
    assert lines[-1].startswith("epoch 8/8")
    assert warning < len(lines) - 1
    classifier(lam=0.5, epochs=2)
    assert "norm fell" not in capsys.readouterr().out


def test_a_recognizer_learns() -> None:
    images, labels, _ = scenes()
    torch.manual_seed(0)
    network = PlainNetwork(SMALL, None, outputs=3)
    settings = {**SETTINGS, "backbone_learning_rate": 0.02}
    curves = train_recognizer(network, images, labels, batch_size=24, epochs=15, seed=0, **settings)
    assert curves[-1]["loss"] < 0.5 * curves[0]["loss"]
    assert curves[-1]["accuracy"] > 0.8 > curves[0]["accuracy"]


def test_a_segmenter_learns() -> None:
    images, _, masks = scenes()
    masks[:, :2] = 255
    torch.manual_seed(0)
    network = FusionNetwork(SMALL, None, channels=16, outputs=1)
    settings = {**SETTINGS, "learning_rate": 0.1, "backbone_learning_rate": 0.1}
    curves = train_segmenter(network, images, masks, batch_size=6, epochs=20, seed=0, **settings)
    assert curves[-1]["loss"] < 0.7 * curves[0]["loss"]
    (found,) = infer(images, lambda x, _: torch.sigmoid(network(x)[1][:, 0]))
    found = found.repeat(8, 1).repeat(8, 2)
    assert found[masks == 1].mean() > found[masks == 0].mean() + 0.15


def test_segmentation_loss_is_over_the_decided_pixels() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(2, 1, 8, 8)
    masks = torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8)
    masks[masks == 2] = 255
    terms = []
    for mask, output in zip(masks.flatten().tolist(), outputs.flatten().tolist(), strict=True):
        if mask != 255:
            p = 1 / (1 + np.exp(-output))
            terms.append(-np.log(p if mask == 1 else 1 - p))
    assert segmentation_loss(outputs, masks).item() == pytest.approx(np.mean(terms), rel=1e-5)
    changed = torch.where(masks[:, None] == 255, 99, outputs)
    assert segmentation_loss(changed, masks) == segmentation_loss(outputs, masks)


def test_segmentation_loss_is_at_the_masks_resolution() -> None:
    outputs = torch.randn(1, 1, 4, 5)
    masks = torch.randint(0, 2, (1, 16, 20), dtype=torch.uint8)
    larger = functional.interpolate(outputs, (16, 20), mode="bilinear", align_corners=True)
    torch.testing.assert_close(segmentation_loss(outputs, masks), segmentation_loss(larger, masks))


def test_masks_that_say_nothing_cost_nothing() -> None:
    outputs = torch.randn(2, 1, 4, 4, requires_grad=True)
    loss = segmentation_loss(outputs, torch.full((2, 8, 8), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()
