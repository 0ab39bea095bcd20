"""Localisation maps of whole images and centre crops: CAM, NMF, segmenter; in float32 always."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import fusion_network, pictures, plain_network
from PIL import Image
from torch import Tensor

from isic.data.batches import normalised
from isic.localization.maps import cam, contrast, localisation_maps, nmf, of_maximum, segmenter
from isic.method.recognizer import best_classes
from isic.networks.fusion import FusionNetwork, logits
from isic.training.devices import pick_device
from isic.training.inference import infer

BILINEAR = Image.Resampling.BILINEAR
IMAGES = pictures(34, 64)  # two batches
LABELS = np.arange(34) % 3


@pytest.fixture
def network() -> FusionNetwork:
    return fusion_network(channels=6)


def fused(network: FusionNetwork, images: np.ndarray) -> np.ndarray:
    """F as (n, h, w, N), outside the functions under test."""
    with torch.inference_mode():
        x = normalised(torch.from_numpy(np.ascontiguousarray(images)))
        return network.cpu().features(x).permute(0, 2, 3, 1).double().numpy()


def test_cam_of_each_images_class(network: FusionNetwork) -> None:
    with torch.no_grad():
        network.head.weight.abs_()  # a map above zero for every class
    found = localisation_maps(network, IMAGES, cam(network, LABELS), side=64, view="full")
    assert found.dtype == np.float32
    assert found.shape == (34, 8, 8)
    weight = network.head.weight.detach().cpu().numpy()[LABELS, :, 0, 0]
    expected = np.einsum("nhwc,nc->nhw", fused(network, IMAGES), weight)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_cam_of_the_last_stage() -> None:
    network = plain_network()
    found = localisation_maps(network, IMAGES, cam(network, LABELS), side=64, view="full")
    assert found.shape == (34, 2, 2)
    assert found.min() >= 0
    assert found.max() > 0


@pytest.mark.parametrize("compress", [1.0, 0.5])
def test_nmf_of_each_images_class(network: FusionNetwork, compress: float) -> None:
    directions = np.random.default_rng(1).random((3, 6))
    function = nmf(network, directions, compress, LABELS)
    found = localisation_maps(network, IMAGES, function, side=64, view="full")
    maps = np.einsum("nhwc,nc->nhw", fused(network, IMAGES) ** compress, directions[LABELS])
    np.testing.assert_allclose(found, maps, rtol=1e-3, atol=1e-6)


def test_the_centre_crop_is_a_view_of_its_own(network: FusionNetwork) -> None:
    function = nmf(network, np.ones((3, 6)), 1.0, LABELS)
    found = localisation_maps(network, IMAGES, function, side=48, view="crop")
    assert found.shape == (34, 6, 6)
    expected = fused(network, IMAGES[:, 8:56, 8:56]).sum(3)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_the_full_view_is_the_whole_image_at_the_side_of_the_crops(network: FusionNetwork) -> None:
    large = pictures(3, 96)
    small = np.stack([np.asarray(Image.fromarray(i).resize((64, 64), BILINEAR)) for i in large])

    def red(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return x[:, 0]

    settings = {"side": 64, "view": "full"}
    found = localisation_maps(network, large, red, **settings)
    assert found.shape == (3, 64, 64)
    expected = normalised(torch.from_numpy(small))[:, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)  # Pillow rounds to whole values
    centre = localisation_maps(network, large, red, **settings | {"view": "crop"})
    expected = normalised(torch.from_numpy(large[:, 16:80, 16:80].copy()))[:, 0].numpy()
    np.testing.assert_allclose(centre, expected, atol=0.01)


def test_the_segmenters_map_is_a_probability() -> None:
    network = fusion_network(outputs=1)
    found = localisation_maps(network, IMAGES, segmenter(network), side=64, view="full")
    head = network.head.cpu()
    scores = fused(network, IMAGES) @ head.weight[0, :, 0, 0].detach().double().numpy()
    expected = 1 / (1 + np.exp(-(scores + head.bias.item())))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_dead_class_has_maps_of_zeros(network: FusionNetwork) -> None:
    directions = np.ones((3, 6))
    directions[1] = 0
    function = nmf(network, directions, 1.0, LABELS)
    found = localisation_maps(network, IMAGES[:6], function, side=64, view="full")
    assert not found[LABELS[:6] == 1].any()
    assert (found[LABELS[:6] != 1].max((1, 2)) > 0).all()


def test_shares_of_the_maximum() -> None:
    maps = np.random.default_rng(0).random((3, 4, 5), np.float32) * np.float32(
        [[[1]], [[50]], [[0]]]
    )
    found = of_maximum(maps)
    np.testing.assert_allclose(found.max((1, 2)), [1, 1, 0], rtol=1e-5)
    np.testing.assert_allclose(found[1] / found[1, 0, 0], maps[1] / maps[1, 0, 0], rtol=1e-5)


@pytest.mark.parametrize("compress", [1.0, 1 / 3])
def test_contrast_is_the_maps_own(compress: float) -> None:
    """Each map's root, from its 20th percentile, 0, to its 99th, 1."""
    maps = np.random.default_rng(0).random((4, 10, 10), np.float32) + np.float32(0.5)
    found = contrast(maps, compress)
    roots = maps.astype(float) ** (1 / (3 * compress))
    low, high = (np.percentile(roots, q, axis=(1, 2))[:, None, None] for q in (20, 99))
    np.testing.assert_allclose(found, np.maximum((roots - low) / (high - low), 0), atol=1e-5)
    # Neither its brightness nor, where the degree is told, the exponent of its features matters.
    np.testing.assert_allclose(contrast(1000 * maps, compress), found, atol=1e-4)
    powers = contrast(maps ** (3 * compress), compress)
    np.testing.assert_allclose(powers, contrast(maps, 1 / 3), atol=1e-4)


def test_a_map_without_contrast_is_zero() -> None:
    for value in (0, 7):
        assert not contrast(np.full((1, 4, 4), value, np.float32)).any()


def test_infer_goes_through_every_row_in_order() -> None:
    def function(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return rows

    seen: list[torch.Size] = []
    found = np.concatenate(list(infer(IMAGES, function, crop=32, batch_size=10)))
    assert found.tolist() == list(range(34))
    assert seen == [(10, 3, 32, 32)] * 3 + [(4, 3, 32, 32)]


def test_best_classes() -> None:
    network = plain_network(outputs=5)
    order, probabilities = best_classes(network, IMAGES, 3, crop=48)
    assert order.shape == probabilities.shape == (34, 3)
    with torch.inference_mode():
        crops = torch.from_numpy(IMAGES[:, 8:56, 8:56].copy()).to(pick_device())
        expected = logits(network(normalised(crops))[1]).softmax(1).cpu()
    values, classes = expected.sort(1, descending=True)
    np.testing.assert_array_equal(order, classes[:, :3])
    np.testing.assert_allclose(probabilities, values[:, :3], rtol=1e-4)


@pytest.mark.parametrize("kind", ["cam", "nmf", "segmenter"])
def test_maps_of_a_bf16_network_are_its_features_in_float32(kind: str) -> None:
    """The network alone is rounded: what follows from its features and its output is not."""
    network = fusion_network(outputs=1 if kind == "segmenter" else 3)
    seen: dict[str, Tensor] = {}

    def note(name: str) -> Callable:
        return lambda _module, _inputs, output: seen.update({name: output.double().cpu()})

    network.fusion.register_forward_hook(note("features"))
    network.head.register_forward_hook(note("scores"))
    labels, directions = np.array([0, 2]), np.random.default_rng(1).random((3, 8))
    functions = {
        "cam": lambda: cam(network, labels),
        "nmf": lambda: nmf(network, directions, 1 / 3, labels),
        "segmenter": lambda: segmenter(network),
    }
    found = localisation_maps(
        network, pictures(2, 64), functions[kind](), side=64, view="full", precision="bf16"
    )
    weights = {
        "cam": network.head.weight.detach().cpu().double()[:, :, 0, 0].numpy(),
        "nmf": directions,
    }
    if kind == "segmenter":
        expected = torch.sigmoid(seen["scores"][:, 0]).numpy()
    else:
        features = seen["features"].numpy() ** (1 / 3 if kind == "nmf" else 1)
        expected = np.einsum("nchw,nc->nhw", features, weights[kind][labels]).clip(0)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())
