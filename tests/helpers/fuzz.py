"""Random damage: what is read is valid, or is refused in a readable line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as patience
from hypothesis import strategies as st

from isic.errors import InputError

FEW = patience(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: "/" not in name and name not in (".", "..") and name.strip() == name
)


def refused(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What a function gives, or None and how it refuses."""
    try:
        return function(*arguments), ""
    except InputError as error:
        return None, str(error)
