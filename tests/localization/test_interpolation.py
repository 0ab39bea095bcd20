"""Bilinear interpolation against torch's."""

import numpy as np
import pytest

from isic.localization.interpolation import upsample


@pytest.mark.parametrize(("shape", "size"), [((5, 7), (224, 256)), ((28, 28), (9, 13))])
def test_upsample_is_torchs_bilinear(shape, size):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).random((3, *shape), np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], size, mode="bilinear", align_corners=True
    )
    np.testing.assert_allclose(upsample(maps, size), expected[0].numpy(), atol=1e-5)
