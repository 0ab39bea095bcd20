"""Feature maps: shards of classes, float16, one chunk an image; their side and precision."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from networks import fusion_network, pictures
from torch import Tensor, nn
from torch.nn import functional

from isic.data.batches import normalised
from isic.errors import InputError
from isic.localization.maps import localisation_maps, segmenter
from isic.method.features import fused_maps, write_features
from isic.networks.fusion import FusionNetwork
from isic.storage.hdf5 import strings


@pytest.fixture
def network() -> FusionNetwork:
    return fusion_network(channels=6)


def test_fused_maps_are_the_networks(network: FusionNetwork) -> None:
    images = pictures(35, 40)  # more than one batch
    batches = list(fused_maps(network, images, images.shape[1]))
    assert len(batches) > 1
    found = np.concatenate(batches)
    assert found.dtype == np.float16
    assert found.shape == (35, 5, 5, 6)
    with torch.inference_mode():
        expected = network.cpu().features(normalised(torch.from_numpy(images)))
    expected = expected.permute(0, 2, 3, 1).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3 * expected.max())


def test_values_beyond_float16_are_cut_off(network: FusionNetwork) -> None:
    with torch.no_grad():
        for reduce in network.fusion.reduce:
            reduce[1].bias[:3] = 100
    (found,) = fused_maps(network, pictures(2, 64), 64)
    assert (found[..., :3] == 65504).all()
    assert found[..., 3:].max() < 65504


def test_values_that_are_not_finite_are_refused(network: FusionNetwork) -> None:
    with torch.no_grad():
        network.fusion.reduce[0][1].bias[2] = float("nan")
    with pytest.raises(InputError, match=r"not finite.*learning_rate"):
        list(fused_maps(network, pictures(2, 64), 64))


def test_a_shard_holds_what_it_was_given(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((5, 4, 3, 6)).astype(np.float16)
    reads = []

    def batches() -> Iterator[np.ndarray]:
        for part in (maps[:2], maps[2:4], maps[4:]):
            reads.append(len(part))
            yield part

    ids, labels = (
        np.array(["a/é.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg", "b/2.jpg"]),
        np.arange(5) // 2,
    )
    write_features(tmp_path / "0.h5", batches(), ids, labels, {"settings": "{}"})
    assert reads == [2, 2, 1]
    with h5py.File(tmp_path / "0.h5") as file:
        np.testing.assert_array_equal(file["features"], maps)
        assert file["features"].dtype == np.float16
        assert file["features"].chunks == (1, 4, 3, 6)
        assert strings(file["image_id"]).tolist() == ids.tolist()
        np.testing.assert_array_equal(file["label"], labels)
        assert file.attrs["axes"] == "image, y, x, channel"
        assert file.attrs["settings"] == "{}"


def test_an_interrupted_shard_leaves_no_file(tmp_path: Path) -> None:
    def batches() -> Iterator[np.ndarray]:
        yield np.zeros((1, 2, 2, 3), np.float16)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(tmp_path / "0.h5", batches(), np.array(["a", "b"]), np.arange(2), {})
    assert list(tmp_path.iterdir()) == []


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
