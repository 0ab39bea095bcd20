"""What the feature maps claim of the side they are made at, their precision, and dead images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import fusion_network, pictures
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import normalised
from isic.localization.maps import localisation_maps, segmenter
from isic.method.features import fused_maps, write_features


def test_feature_maps_are_of_the_whole_image_at_the_side_of_the_crops() -> None:
    """At that side and no other, and not of a part: the side of the images is another here."""
    network, images = fusion_network(channels=6), pictures(3, 88)
    (found,) = fused_maps(network, images, 64)
    assert found.shape == (3, 8, 8, 6)
    x = normalised(torch.from_numpy(images))
    x = functional.interpolate(x, (64, 64), mode="bilinear", antialias=True)
    with torch.inference_mode():
        expected = network.cpu().features(x).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3 * expected.max())


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, torch.float32),
        ({"precision": "float32"}, torch.float32),
        ({"precision": "bf16"}, torch.bfloat16),
    ],
    ids=str,
)
def test_networks_give_maps_in_the_precision_asked_for(options: dict, kind: torch.dtype) -> None:
    network, found = fusion_network(outputs=1), []

    def note(_module: nn.Module, _inputs: object, fused: Tensor) -> None:
        found.append(fused.dtype)

    network.fusion.register_forward_hook(note)
    list(fused_maps(network, pictures(1, 64), 64, **options))
    settings = {"side": 64, "view": "full", **options}
    localisation_maps(network, pictures(1, 64), segmenter(network), **settings)
    assert found == [kind] * 2


def test_images_whose_maps_are_zero_everywhere_are_named(tmp_path: Path) -> None:
    maps = np.zeros((5, 2, 2, 3), np.float16)
    maps[0, 0, 0, 0] = maps[3, 1, 1, 2] = 1
    ids = np.array(["a", "b", "c", "d", "e"])
    batches = iter([maps[:2], maps[2:]])
    dead = write_features(tmp_path / "0.h5", batches, ids, np.zeros(5, int), {})
    assert dead == ["b", "c", "e"]
