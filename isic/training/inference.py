"""A network applied to many images, batch by batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from isic.data.batches import normalised
from isic.data.encoded import Encoded, prefetch
from isic.errors import InputError
from isic.training.devices import pick_device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a forward pass; InputError unless `precision` is `float32` or `bf16`."""
    if precision not in ("float32", "bf16"):
        raise InputError(f"precision is float32 or bf16, not {precision!r}.")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def check_crop(crop: int, images: np.ndarray | Encoded) -> None:
    """InputError unless the images (n, R, R, 3) are large enough for a crop of this side."""
    if crop > images.shape[1]:
        raise InputError(
            f"crop ({crop}) is larger than the images ({images.shape[1]} pixels): "
            "lower crop, or raise images.resize."
        )


def resident(images: np.ndarray | Encoded, device: torch.device) -> Tensor | Encoded:
    """An array as a tensor, on the device if it takes at most half of its free memory there."""
    if isinstance(images, Encoded):
        return images
    tensor = torch.from_numpy(images)
    fits = device.type == "cpu" or images.nbytes < torch.cuda.mem_get_info(device)[0] / 2
    return tensor.to(device) if fits else tensor


def supply(
    stored: Tensor | Encoded, batches: list[np.ndarray], device: torch.device
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """For each batch of rows, images (m, R, R, …) that hold these, and their places among them.

    A tensor holds all, wherever it is; encoded images are decoded a few batches ahead.
    """
    if isinstance(stored, Tensor):
        yield from ((stored, rows) for rows in batches)
    else:
        for images in prefetch(stored.__getitem__, batches):
            yield torch.from_numpy(images).to(device), np.arange(len(images))


@torch.inference_mode()
def infer(
    images: np.ndarray | Encoded,
    function: Callable[[Tensor, Tensor], Tensor],
    *,
    crop: int | None = None,
    precision: str = "float32",
    batch_size: int = 32,
) -> Iterable[np.ndarray]:
    """Apply `function` to all images, whole or their centre crop, batch by batch.

    Args:
        images: (n, R, R, 3) uint8.
        function: (b, 3, H, W) normalised images, (b,) rows → a tensor with b rows.
        crop: side of the centre crop in pixels; None takes the whole image.

    Yields:
        float32 arrays, a batch each, in order.

    Raises:
        InputError: a value is not finite.
    """
    device = pick_device()
    size = images.shape[1]
    crop = crop or size
    check_crop(crop, images)
    centre = slice((size - crop) // 2, (size - crop) // 2 + crop)

    def read(first: int) -> tuple[int, np.ndarray]:
        return first, np.ascontiguousarray(images[first : first + batch_size][:, centre, centre])

    firsts = tqdm(range(0, len(images), batch_size), "images", file=sys.stderr, mininterval=5)
    for first, batch in prefetch(read, firsts):
        x = normalised(torch.from_numpy(batch).to(device))
        rows = torch.arange(first, first + len(batch), device=device)
        with autocast(device, precision):
            found = function(x, rows).float().cpu().numpy()
        if not np.isfinite(found).all():
            raise InputError(
                "the network gives values that are not finite, so it is broken: train it again "
                "with a lower learning_rate or lam."
            )
        yield found
