"""The class-agnostic segmenter, taught by the pseudo-masks (Section 3.6)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import shuffled
from isic.data.encoded import Encoded
from isic.method.masks import IGNORE, OBJECT
from isic.networks.fusion import FusionNetwork
from isic.settings.sections import Segmenter
from isic.training.loop import Job, train
from isic.training.process_group import all_gather_rows


def segmentation_loss(outputs: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy over the pixels that a pseudo-mask decides.

    Args:
        outputs: (b, 1, h, w), the segmenter's map before the sigmoid.
        masks: (b, H, W) uint8 of 1 (object), 0 (background), 255 (left out).

    Returns:
        Scalar, the mean over the pixels that are not left out; 0 where all are.
    """
    outputs = functional.interpolate(
        outputs.float(), masks.shape[1:], mode="bilinear", align_corners=True
    )[:, 0]
    decided = masks != IGNORE
    loss = functional.binary_cross_entropy_with_logits(
        outputs, (masks == OBJECT).float(), reduction="none"
    )
    return (loss * decided).sum() / decided.sum().clamp(min=1)


def train_segmenter(
    network: FusionNetwork,
    images: np.ndarray | Encoded,
    masks: np.ndarray | Encoded,
    settings: Segmenter,
    job: Job,
) -> list[dict[str, float]]:
    """Train a segmenter in place.

    Args:
        network: with one output.
        images: (n, R, R, 3) uint8.
        masks: (n, R, R) uint8 of 1, 0 and 255, see `isic.method.masks.pseudo_mask`.
        settings, job: as `isic.training.loop.train` takes them.

    Returns:
        Curves, one row an epoch.
    """

    def losses(model: nn.Module, x: Tensor, rows: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        assert y is not None  # `train` is given targets
        return {"loss": segmentation_loss(all_gather_rows(model(x)[1], len(rows)), y)}

    def sampler(rng: np.random.Generator) -> Iterable[np.ndarray]:
        return shuffled(len(images), settings.batch_size, rng)

    return train(network, images, losses, sampler, settings, job, targets=masks)
