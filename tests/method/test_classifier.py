"""The classifier's training: λ weighs ICFS, the seed decides, arms differ in the loss alone."""

import re

import numpy as np
import pytest
import torch
from networks import SMALL
from scenes import SETTINGS, same, scenes, weights
from torch import Tensor, nn
from trainings import train_classifier

from isic.method.classifier import collapse
from isic.networks.fusion import FusionNetwork
from isic.training import loop as training
from isic.training.inference import infer

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
