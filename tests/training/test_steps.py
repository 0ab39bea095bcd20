"""The loop's steps: the optimizer, precision, mode, and what comes of the seed."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from trainings import train

from isic.data.batches import shuffled
from isic.errors import InputError
from isic.training.inference import infer

SETTINGS = {
    "crop": 12,
    "learning_rate": 0.05,
    "backbone_learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.1,
    "precision": "float32",
}
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)


class Tiny(nn.Module):
    """The least that `train` takes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.backbone(x)).relu())


def in_order(size: int) -> Callable[[np.random.Generator], Iterator[np.ndarray]]:
    return lambda _: iter(np.arange(len(IMAGES)).reshape(-1, size))


def squared(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
    return {"loss": (model(x) - 1).square().mean()}


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("weight_decay", [0.1, 0.0])
def test_each_step_is_nesterovs(momentum: float, weight_decay: float) -> None:
    """v ← μ·v + g and w ← w − η·(g + μ·v), g the gradient of this batch alone plus decay times w;
    η is the group's own and the same in every epoch."""
    seen: list[Tensor] = []

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        seen.append(x.detach().clone())
        return squared(model, x)

    network, expected = Tiny(), Tiny()
    settings = SETTINGS | {"momentum": momentum, "weight_decay": weight_decay}
    train(network, IMAGES, losses, in_order(4), epochs=3, seed=0, **settings)

    expected.to(seen[0].device).train()
    weights = dict(expected.named_parameters())
    velocity = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for x in seen:
        loss = squared(expected, x)["loss"]
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            rate = 0.01 if name.startswith("backbone.") else 0.05
            g = gradient + weight_decay * weight.detach()
            velocity[name] = momentum * velocity[name] + g
            weight.data -= rate * (g + momentum * velocity[name])
    assert len(seen) == 9
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("precision", "kind"), [("float32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_a_training_computes_in_its_precision_and_keeps_float32(
    precision: str, kind: torch.dtype
) -> None:
    found = set()

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        outputs = model(x)
        found.add(outputs.dtype)
        return {"loss": outputs.float().square().mean()}

    network = Tiny()
    settings = SETTINGS | {"precision": precision}
    train(network, IMAGES, losses, in_order(4), epochs=1, seed=0, **settings)
    assert found == {kind}
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, torch.float32),
        ({"precision": "float32"}, torch.float32),
        ({"precision": "bf16"}, torch.bfloat16),
    ],
    ids=str,
)
def test_a_network_is_applied_in_the_precision_asked_for(options: dict, kind: torch.dtype) -> None:
    layer, found = nn.Conv2d(3, 2, 3), set()

    def function(x: Tensor, _: Tensor) -> Tensor:
        outputs = layer.to(x.device)(x)
        found.add(outputs.dtype)
        return outputs

    (values,) = infer(IMAGES, function, **options)
    assert found == {kind}
    assert values.dtype == np.float32


def test_a_precision_that_is_unknown_is_refused() -> None:
    settings = SETTINGS | {"precision": "float16"}
    with pytest.raises(InputError, match="precision is float32 or bf16, not 'float16'"):
        train(Tiny(), IMAGES, squared, in_order(4), epochs=1, seed=0, **settings)


def test_a_network_that_was_applied_before_is_trained_in_training_mode() -> None:
    """Batch norm goes by the batch, and its statistics move, whatever the mode before was."""
    modes = []

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        modes.append(model.training)
        return squared(model, x)

    network = Tiny().eval()
    before = network.norm.running_mean.clone()
    train(network, IMAGES, losses, in_order(4), epochs=1, seed=0, **SETTINGS)
    assert modes == [True] * 3
    assert not torch.equal(network.norm.running_mean.cpu(), before)
    assert not network.training


def drawn(seed: int, before: int = 0) -> dict[str, list]:
    """What a training draws: rows of the batches, what the windows show, dropout."""
    found: dict[str, list] = {"rows": [], "windows": [], "dropout": []}

    def losses(model: nn.Module, x: Tensor, rows: Tensor, *_) -> dict[str, Tensor]:
        found["rows"].append(rows.tolist())
        found["windows"].append(x[rows.argsort()].tolist())
        found["dropout"].append(functional.dropout(torch.ones(64)).tolist())
        return squared(model, x)

    network = Tiny()
    torch.manual_seed(before)  # the state that other code leaves behind
    settings = SETTINGS | {"epochs": 2, "seed": seed}
    train(network, IMAGES, losses, lambda rng: shuffled(12, 6, rng), **settings)
    return found


def test_batches_windows_and_dropout_each_come_from_the_seed() -> None:
    first, again, other = drawn(3), drawn(3, before=1), drawn(4)
    assert again == first
    for name in first:
        assert other[name] != first[name], name


def test_every_epoch_draws_anew() -> None:
    found = drawn(3)
    for name, (a, b, c, d) in found.items():
        assert (a, b) != (c, d), name
    assert sorted(found["rows"][0] + found["rows"][1]) == list(range(12))


def test_weights_that_the_last_step_broke_are_not_kept_silent() -> None:
    """The loss of that step was still finite, and no other follows."""
    settings = SETTINGS | {"learning_rate": 1e38, "momentum": 0.0}

    def losses(model: nn.Module, x: Tensor, *_) -> dict[str, Tensor]:
        return {"loss": 100 * model(x).square().mean()}

    with pytest.raises(InputError, match="weights are not finite after epoch 1, step 1"):
        train(Tiny(), IMAGES, losses, in_order(12), epochs=1, seed=0, **settings)
