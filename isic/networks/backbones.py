"""Backbones: torchvision's and timm's networks as far as f3, f4 and f5 (Section 3.2).

Any torchvision classification network serves whose body is a chain of modules that passes through
the strides 8, 16 and 32: ResNet, ResNeXt, MobileNet, EfficientNet, MNASNet, RegNet, ShuffleNet,
DenseNet, ConvNeXt, VGG. Of timm's, any that takes images of any side and gives maps at the three.
The head (pooling, linear layers) is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision import models

from isic.data.batches import MEAN, STD
from isic.errors import InputError
from isic.settings.kinds import TIMM
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


def uncut(name: str) -> Any:
    """The whole network of a name, with random weights; of timm, padded to both sides alike.

    TensorFlow's padding (`tf_…`) depends on the side; at 32·k + 1 it is the same on both sides.

    Raises:
        InputError: there is none.
    """
    if name.startswith(TIMM):
        import timm

        if timm.is_model(name.removeprefix(TIMM)):
            padding: dict[str, Any] = {"pad_type": ""} if name.startswith(f"{TIMM}tf_") else {}
            return timm.create_model(name.removeprefix(TIMM), **padding)
    elif name in models.list_models(module=models):
        return models.get_model(name, weights=None)
    raise InputError(
        f"backbone: there is no classification network '{name}'. Names: torchvision's (resnet18, "
        "resnet50, mobilenet_v2, efficientnet_b0, …) and timm's (timm/resnet50, …)."
    )


def taps(network: Any) -> tuple[list[int], list[int]]:
    """Which of a timm network's intermediate maps are f3 and f4, and channels of f3, f4, f5.

    f5 is what the network's own head takes. Parameters that play no part in the three are removed.

    Raises:
        ValueError: it does not give maps at the strides 8, 16 and 32.
    """
    strides = [stage["reduction"] for stage in network.feature_info]
    if not set(STRIDES) <= set(strides):
        raise ValueError(f"it has no features at strides {STRIDES}")
    if any(type(module).__name__.endswith("Same") for module in network.modules()):
        raise ValueError("its padding depends on the images' side")
    indices = [len(strides) - 1 - strides[::-1].index(stride) for stride in STRIDES[:2]]
    was_training = network.training
    f5, features = network.eval().forward_intermediates(torch.zeros(1, 3, 64, 96), indices=indices)
    network.train(was_training)
    features = [*features, f5]
    if [tuple(f.shape[2:]) for f in features] != [(64 // s, 96 // s) for s in STRIDES]:
        raise ValueError(f"it gives no maps at strides {STRIDES}")
    names, parameters = zip(*network.named_parameters(), strict=True)
    total = torch.stack([f.sum() for f in features]).sum()
    used = torch.autograd.grad(total, parameters, allow_unused=True)
    for name, gradient in zip(names, used, strict=True):
        if gradient is None:
            module, _, own = name.rpartition(".")
            setattr(network.get_submodule(module), own, None)
    return indices, [f.shape[1] for f in features]


def own_statistics(name: str, weights: str | Path | None) -> tuple[Tensor, Tensor]:
    """The mean and standard deviation, (3, 1, 1) each, that a timm network takes images with.

    They are those of the weights where their file is named NAME.TAG, as timm names them, and else
    those of the network's first weights.
    """
    from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

    name = name.removeprefix(TIMM)
    own = get_arch_pretrained_cfgs(name).get(Path(weights).stem) if weights is not None else None
    found = own or get_pretrained_cfg(name)
    mean, std = (found.mean, found.std) if found else (MEAN, STD)
    return torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]


class Backbone(nn.Module):
    """A network's features at the strides 8, 16 and 32.

    Args:
        name: torchvision's name of the network, for example `resnet50`, or timm's, `timm/resnet50`.
        weights: a file that holds the network's state dict, or None for random weights.

    Raises:
        InputError: no such network, one without the three strides, or weights that do not fit.
    """

    scale: Tensor
    shift: Tensor

    @torch.inference_mode(False)  # `taps` needs gradients, wherever a network is built
    @torch.enable_grad()
    def __init__(self, name: str, weights: str | Path | None = None) -> None:
        super().__init__()
        self.name = name
        network = uncut(name)
        if weights is not None:
            load_weights(network, weights)
        try:
            if name.startswith(TIMM):
                self.body: Any = network
                self.indices, self.channels = taps(network)
                mean, std = own_statistics(name, weights)
                self.register_buffer("scale", torch.tensor(STD)[:, None, None] / std)
                shift = (torch.tensor(MEAN)[:, None, None] - mean) / std
                self.register_buffer("shift", shift)
            else:
                stages, self.channels = cut(network)
                self.stages = nn.ModuleList(stages)
        except (ValueError, RuntimeError, AssertionError, AttributeError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(
                f"backbone: '{name}' cannot be used: {reason}. "
                "Take one with strides 8, 16 and 32, such as resnet50 or mobilenet_v2."
            ) from error

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, 3, H, W) float, normalised → f3, f4, f5: (n, channels, H/8, W/8), …/16, …/32."""
        if self.name.startswith(TIMM):
            images = images * self.scale + self.shift
            f5, features = self.body.forward_intermediates(images, indices=self.indices)
            return [*features, f5]
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return features


def load_weights(network: nn.Module, path: str | Path, *, head: bool = False) -> None:
    """Load a state dict from `path` into a whole network.

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
        state = read_state(path)
        # DenseNet's published files say `norm.1` where the network says `norm1`.
        state = {DENSELAYER.sub(r"\1\2", key): value for key, value in state.items()}
        if not head:
            names = getattr(network, "pretrained_cfg", {}).get("classifier") or HEAD  # timm's, or
            heads = tuple(f"{one}." for one in ([names] if isinstance(names, str) else names))
            own = network.state_dict()
            body = {k: v for k, v in state.items() if not k.startswith(heads)}
            state = body | {k: v for k, v in own.items() if k.startswith(heads)}
        network.load_state_dict(state)
        check_finite(network)
    except Exception as error:  # torch raises many kinds: unpickling, zip, key and shape errors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"weights: {path} is no state dict of this backbone ({reason}). "
            "Take the file that belongs to the backbone, or set weights: none."
        ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file of weights, `.safetensors` or torch's; no code in it is run."""
    if Path(path).suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def check_finite(network: nn.Module) -> None:
    """ValueError, naming one, if a weight or statistic of a network is infinite or NaN."""
    for name, values in network.state_dict().items():
        if not torch.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")


def linear_head(name: str, weights: str | Path) -> nn.Linear:
    """The layer of a network that turns the mean of f5 into its classes' scores.

    Raises:
        InputError: as `load_weights`, or the network's head is more than a mean and one layer.
    """
    network = uncut(name).eval()
    load_weights(network, weights, head=True)
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        if name.startswith(TIMM):
            features = network.forward_features(images)
        else:
            features = nn.Sequential(*chain(network))(images)
        vectors = features.mean((2, 3))
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
