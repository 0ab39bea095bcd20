"""ISIC: boxes and masks from image labels alone (Wei et al., ECCV 2022)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isic.errors import InputError
    from isic.product.localizer import Localization, Localizer

__all__ = ["InputError", "Localization", "Localizer"]
PLACES = {
    "InputError": "errors",
    "Localization": "product.localizer",
    "Localizer": "product.localizer",
}


def __getattr__(name: str) -> object:
    """Load a name of the package when it is first asked for: `isic --help` needs no torch."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"isic.{PLACES[name]}"), name)
