"""Feature maps: shards of classes, float16, one chunk an image."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from networks import fusion_network, pictures

from isic.data.batches import normalised
from isic.errors import InputError
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


def test_a_wrong_feature_size_is_refused() -> None:
    torch.manual_seed(0)
    network = FusionNetwork("densenet121", None, channels=2, outputs=2).eval()  # rounds down
    with pytest.raises(InputError, match=r"densenet121 are 4×4, not 5×5.*multiple of 32"):
        list(fused_maps(network, pictures(1, 36), 36))


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
