"""How far beside their centres pretrained weights look, on photographs of a folder.

    python benchmarks/shifts.py NAME FOLDER --weights FILE [--backbone mobilenet_v2]

The rows are those of docs/results/learnt_shift.csv, but for commit and machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from isic.data.batches import normalised
from isic.networks.backbones import Backbone
from isic.networks.positions import IMAGES, SIDE, learnt_shifts


class Transposed(nn.Module):
    """A backbone whose left and right are another's top and bottom."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> list[Tensor]:
        return [feature.transpose(2, 3) for feature in self.backbone(images.transpose(2, 3))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--side", type=int, default=SIDE)
    options = parser.parse_args()
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    paths = [paths[i] for i in np.linspace(0, len(paths) - 1, IMAGES).astype(int)]
    size = (options.side, options.side)
    images = [np.asarray(Image.open(path).convert("RGB").resize(size)) for path in paths]
    x = normalised(torch.from_numpy(np.stack(images)))
    backbone = Backbone(options.backbone, options.weights)
    for figure, network in (("right", backbone), ("down", Transposed(backbone))):
        for scale, value in zip(("f3", "f4", "f5"), learnt_shifts(network, x), strict=True):
            row = (options.name, "training", len(paths), options.side, options.backbone, scale)
            print(*row, figure, f"{value:g}", sep=",")


if __name__ == "__main__":
    main()
