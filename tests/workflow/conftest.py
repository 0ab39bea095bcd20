"""A dry run that several files read."""

from __future__ import annotations

import pytest
from dry_runs import DATASETS, TARGETS, Command, Find, dry_run


@pytest.fixture(scope="session")
def dry(tmp_path_factory: pytest.TempPathFactory) -> list[Command]:
    """All commands."""
    return dry_run(tmp_path_factory.mktemp("dry"), DATASETS, TARGETS)


@pytest.fixture(scope="session")
def command(dry: list[Command]) -> Find:
    """Gives the command of a stage in which a file below results stands."""

    def find(stage: str, path: str) -> Command:
        (found,) = (c for c in dry if c.stage == stage and f"results/{path}" in c.words)
        return found

    return find
