"""The networks: multi-scale fusion by multiplication (Section 3.2) and the plain classifier.

The classifier of the object-mask stage and the class-agnostic segmenter are one network with
another number of outputs (Section 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from isic.errors import InputError
from isic.networks.backbones import STRIDES, Backbone, linear_head
from isic.networks.positions import laid


class Fusion(nn.Module):
    """f3, f4, f5 → one map of N channels at stride 8, their element-wise product (Section 3.2).

    Each scale passes a 1×1 convolution to N channels, batch norm and ReLU, so that the three have
    the same channels and the product is non-negative, as the NMF of Section 3.5 needs it.

    The positions of F reach from an image's first pixel to its last, and so do those of each scale
    where padded convolutions look at the pixels 0, s, 2s … of a side of 32·k + 1: they are then
    laid corner on corner (`align_corners`). Otherwise their offsets say where they lie.
    """

    def __init__(self, in_channels: list[int], channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(n, channels, kernel_size=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
            for n in in_channels
        )

    def forward(
        self, features: list[Tensor], image: Sequence[int], offsets: Sequence[float] | None = None
    ) -> Tensor:
        """[(n, C3, h, w), (n, C4, ~h/2, ~w/2), (n, C5, ~h/4, ~w/4)] → (n, N, h, w), ≥ 0.

        Args:
            image: (H, W) of the images in pixels.
            offsets: of f3, f4, f5, see `isic.networks.positions.offsets`.
        """
        size = features[0].shape[-2:]
        scales = [reduce(f) for reduce, f in zip(self.reduce, features, strict=True)]
        if offsets is None:
            scales[1:] = [
                functional.interpolate(scale, size, mode="bilinear", align_corners=True)
                for scale in scales[1:]
            ]
        else:
            scales = [
                laid(scale, size, image, stride, offset)
                for scale, stride, offset in zip(scales, STRIDES, offsets, strict=True)
            ]
        return scales[0] * scales[1] * scales[2]


class FusionNetwork(nn.Module):
    """Backbone, fusion and a 1×1 convolution: classes' maps (Section 3.2) or one mask (3.6).

    Args:
        backbone: torchvision's name.
        weights: state dict file of the backbone, or None.
        channels: N, the fused map's channels (the paper's 128).
        outputs: number of classes, or 1 for the segmenter.
        dropout: probability of dropping an element of F before the 1×1 convolution.
        offsets: where the scales lie, see `isic.networks.positions.offsets`.
    """

    def __init__(
        self,
        backbone: str,
        weights: str | Path | None,
        *,
        channels: int,
        outputs: int,
        dropout: float = 0.0,
        offsets: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, weights)
        self.fusion = Fusion(self.backbone.channels, channels)
        self.offsets = offsets
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(channels, outputs, kernel_size=1)
        # He et al. 2015. torch's own start is 2.4 times smaller: cross-entropy then stays at chance
        # for epochs, in which ICFS alone shapes the features (docs/results/icfs.md).
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="relu")
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        """The fused map F: (n, 3, H, W) → (n, N, H/8, W/8), ≥ 0."""
        return self.fusion(self.backbone(images), images.shape[-2:], self.offsets)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, H, W) → the fused map F and the outputs' maps (n, outputs, H/8, W/8)."""
        fused = self.features(images)
        return fused, self.head(self.dropout(fused))


class PlainNetwork(nn.Module):
    """A backbone with global average pooling and a linear layer: recognition, and the usual CAM.

    The linear layer is a 1×1 convolution before the pooling, which gives the same logits and, on
    the way, the class maps of the last stage.
    """

    def __init__(
        self,
        backbone: str,
        weights: str | Path | None,
        *,
        outputs: int,
        dropout: float = 0.0,
        offsets: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, weights)
        self.offsets = offsets
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(self.backbone.channels[-1], outputs, kernel_size=1)

    def adopt_head(self, weights: str | Path) -> None:
        """Name the classes that the backbone's weights were trained on, by their own last layer.

        Raises:
            InputError: they have another number of classes, or no such layer.
        """
        layer = linear_head(self.backbone.name, weights)
        if layer.out_features != self.head.out_channels:
            raise InputError(
                f"recognizer.epochs: 0 takes the {layer.out_features} classes of {weights}, and "
                f"the data set has {self.head.out_channels}. Set epochs to 1 or more."
            )
        assert self.head.bias is not None
        with torch.no_grad():
            self.head.weight.copy_(layer.weight[:, :, None, None])
            self.head.bias.copy_(layer.bias)

    def features(self, images: Tensor) -> Tensor:
        """The last stage f5: (n, 3, H, W) → (n, C5, H/32, W/32), laid over the image."""
        f5 = self.backbone(images)[-1]
        if self.offsets is None:
            return f5
        return laid(f5, f5.shape[-2:], images.shape[-2:], STRIDES[-1], self.offsets[-1])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, H, W) → f5 and the class maps (n, outputs, H/32, W/32)."""
        features = self.features(images)
        return features, self.head(self.dropout(features))


def logits(class_maps: Tensor) -> Tensor:
    """(n, C, h, w) → (n, C): the spatial mean of the class maps."""
    return class_maps.float().mean(dim=(2, 3))


def image_vectors(fused: Tensor) -> Tensor:
    """The image vector x of Eq. 5: (n, N, h, w) → (n, N), the spatial mean of the fused map."""
    return fused.float().mean(dim=(2, 3))


def class_activation_maps(features: Tensor, head: nn.Conv2d, classes: Tensor) -> Tensor:
    """Eq. 7, M_c = Σ_i L_{i,c} F_i, for one class an image.

    Args:
        features: (n, N, h, w), F.
        head: the final classifier; L is its weight.
        classes: (n,) int64, the class c of each image.

    Returns:
        (n, h, w), negative values set to 0: they speak against the class.
    """
    weight = head.weight[classes, :, 0, 0].float()
    # Not einsum, which autocast would round to bf16.
    return (features.float() * weight[:, :, None, None]).sum(dim=1).clamp(min=0)
