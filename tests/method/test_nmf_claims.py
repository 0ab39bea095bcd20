"""What the directions claim of their length, of broken features, and of the check's own solver."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import sklearn.decomposition

from isic.errors import InputError
from isic.method.nmf import class_direction, direction_sklearn


def test_the_checks_direction_has_unit_length() -> None:
    theta = 7 * np.random.default_rng(0).random((2, 3, 3, 4))
    assert np.linalg.norm(direction_sklearn(theta)) == pytest.approx(1)


@pytest.mark.parametrize("solver", ["gram", "sklearn"])
def test_the_check_is_scikit_learns_and_the_default_is_not(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the check would compare a solver with itself."""
    fit, calls = sklearn.decomposition.NMF.fit_transform, []

    def noting(*arguments, **options):
        calls.append(arguments)
        return fit(*arguments, **options)

    monkeypatch.setattr(sklearn.decomposition.NMF, "fit_transform", noting)
    features = np.random.default_rng(0).random((2, 3, 3, 4)).astype(np.float16)
    class_direction(features, np.arange(2), solver, 1.0)
    assert bool(calls) == (solver == "sklearn")


@pytest.mark.parametrize("compress", [1.0, 0.5])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(
    compress: float, value: float, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "0.h5", "w") as file:
        maps = np.ones((2, 2, 2, 3), np.float16)
        maps[1, 0, 1, 2] = value
        file["features"] = maps
        with pytest.raises(InputError, match=r"0\.h5: feature maps that are not finite\. Delete"):
            class_direction(file["features"], np.arange(2), "gram", compress)
