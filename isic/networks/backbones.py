"""Backbones: torchvision networks cut into the stages that give f3, f4 and f5 (Section 3.2).

Any torchvision classification network serves whose body is a chain of modules that passes through
the strides 8, 16 and 32: ResNet, ResNeXt, MobileNet, EfficientNet, MNASNet, RegNet, ShuffleNet,
DenseNet, ConvNeXt, VGG. The body's head (pooling, linear layers) is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from isic.errors import InputError
from isic.storage.faults import reading

STRIDES = (8, 16, 32)
HEAD = ("avgpool", "fc", "classifier", "heads", "dropout", "flatten")

DENSELAYER = re.compile(r"(denselayer.*\.(?:norm|conv))\.(\d)")


def chain(network: nn.Module) -> Iterator[nn.Module]:
    """The modules of a network's body, in the order of its forward pass."""
    for name, module in network.named_children():
        if name in HEAD:
            continue
        if name in ("features", "trunk_output", "layers"):
            yield from module.children()
        else:
            yield module


def cut(network: nn.Module) -> tuple[list[nn.Sequential], list[int]]:
    """Cut a network's body behind the last module at each of the strides 8, 16 and 32.

    Returns the three stages and the number of channels each gives.

    Raises:
        ValueError: the body is no chain of modules, or leaves out one of the strides.
    """
    side = 64
    stages: dict[int, list[nn.Module]] = {stride: [] for stride in STRIDES}
    channels: dict[int, int] = {}
    was_training = network.training
    network.eval()  # a pass in training mode would move the batch-norm statistics
    with torch.no_grad():
        x = torch.zeros(1, 3, side, side)
        for module in chain(network):
            x = module(x)
            if x.ndim != 4:
                raise ValueError("its body gives no feature maps")
            stride = max(side // x.shape[-1], STRIDES[0])
            if stride not in stages:
                raise ValueError(f"it passes through stride {stride}")
            stages[stride].append(module)
            channels[stride] = x.shape[1]
            if stride == STRIDES[0]:
                first = side // x.shape[-1]
    network.train(was_training)
    if set(channels) != set(STRIDES) or first != STRIDES[0]:
        raise ValueError(f"it has no features at strides {STRIDES}")
    return [nn.Sequential(*stages[s]) for s in STRIDES], [channels[s] for s in STRIDES]


class Backbone(nn.Module):
    """A torchvision network's features at the strides 8, 16 and 32.

    Args:
        name: torchvision's name of the network, for example `resnet50`.
        weights: a file that holds torchvision's state dict for it, or None for random weights.

    Raises:
        InputError: no such network, one without the three strides, or weights that do not fit.
    """

    def __init__(self, name: str, weights: str | Path | None = None) -> None:
        super().__init__()
        if name not in models.list_models(module=models):
            raise InputError(
                f"backbone: torchvision has no classification network '{name}'. "
                "Names: resnet18, resnet50, mobilenet_v2, efficientnet_b0, …"
            )
        network = models.get_model(name, weights=None)
        if weights is not None:
            load_weights(network, weights)
        try:
            stages, self.channels = cut(network)
        except (ValueError, RuntimeError, AssertionError) as error:
            raise InputError(
                f"backbone: '{name}' cannot be used: {error}. "
                "Take one with strides 8, 16 and 32, such as resnet50 or mobilenet_v2."
            ) from error
        self.stages = nn.ModuleList(stages)
        self.name = name

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, 3, H, W) float, normalised → f3, f4, f5: (n, channels, H/8, W/8), …/16, …/32."""
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return features


def load_weights(network: nn.Module, path: str | Path, *, head: bool = False) -> None:
    """Load a state dict from `path` into a torchvision network.

    Args:
        head: load the head as well, which may otherwise be another's.

    Raises:
        InputError: the file is missing, no state dict, of another network, or not finite.
    """
    if not Path(path).exists():
        raise InputError(f"weights: no file {path}. Put it there or set weights: none.")
    with reading(path):
        pass
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        # DenseNet's published files say `norm.1` where the network says `norm1`.
        state = {DENSELAYER.sub(r"\1\2", key): value for key, value in state.items()}
        if not head:
            own = network.state_dict()
            body = {k: v for k, v in state.items() if k.split(".")[0] not in HEAD}
            state = body | {k: v for k, v in own.items() if k.split(".")[0] in HEAD}
        network.load_state_dict(state)
        check_finite(network)
    except Exception as error:  # torch raises many kinds: unpickling, zip, key and shape errors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"weights: {path} is no torchvision state dict of this backbone ({reason}). "
            "Take the file that belongs to the backbone, or set weights: none."
        ) from error


def check_finite(network: nn.Module) -> None:
    """ValueError, naming one, if a weight or statistic of a network is infinite or NaN."""
    for name, values in network.state_dict().items():
        if not torch.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")


def linear_head(name: str, weights: str | Path) -> nn.Linear:
    """The layer of a torchvision network that turns the mean of f5 into its classes' scores.

    Raises:
        InputError: as `load_weights`, or the network's head is more than a mean and one layer.
    """
    network = models.get_model(name, weights=None).eval()
    load_weights(network, weights, head=True)
    body = nn.Sequential(*chain(network))
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        vectors = body(images).mean((2, 3))
        if not layers or layers[-1].in_features != vectors.shape[1]:
            same = False
        else:
            scores = network(images)
            same = (scores - layers[-1](vectors)).abs().max() < 1e-3 * scores.abs().max()
    if not same:
        raise InputError(
            f"recognizer.epochs: 0 needs a backbone with one linear layer behind its features' "
            f"mean, such as efficientnet_b7 or resnet50, not {name}. Or set epochs to 1 or more."
        )
    return layers[-1]


def parameter_groups(
    network: nn.Module, learning_rate: float, backbone_learning_rate: float
) -> list[dict[str, Any]]:
    """Two groups for the optimizer: new layers, and the backbone at its own learning rate."""
    backbone = [p for name, p in network.named_parameters() if name.startswith("backbone.")]
    new = [p for name, p in network.named_parameters() if not name.startswith("backbone.")]
    return [
        {"params": new, "lr": learning_rate},
        {"params": backbone, "lr": backbone_learning_rate},
    ]
