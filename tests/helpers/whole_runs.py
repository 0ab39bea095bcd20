"""Makes the workflows that tests look at, one after another, and says the name of each.

    python whole_runs.py FOLDER workflow everything

`tests/conftest.py` starts this, so that tests that need no workflow go on beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import kills
from workflows import SIDE_BY_SIDE, TARGETS, TINY, Workflow


def unbroken(folder: Path) -> None:
    """From images to Table 1 and Figure 5, on one core."""
    done = Workflow.copied(folder).run(*TARGETS, "--cores", "1")
    if done.returncode:
        sys.exit(done.stdout)


def broken(folder: Path) -> None:
    """All there is of the data set, killed in each of three ways; never on one core."""
    run = Workflow.copied(folder)
    run.configure("tiny.yaml", {"birds": TINY | {"tables": {"lam": [0, 1.0], "gamma": [0.3]}}})
    run.configure("changes.yaml", {})
    settings = [str(folder / name) for name in ("tiny.yaml", "changes.yaml")]
    arguments = ["results/birds/all", *SIDE_BY_SIDE, "--configfile", *settings]
    done = kills.broken_run(lambda: kills.start(folder, arguments, folder), 3, 15)
    if done.total() < 3:
        sys.exit(f"only {done} kills")


MAKE: dict[str, Callable[[Path], None]] = {"workflow": unbroken, "everything": broken}

if __name__ == "__main__":
    for name in sys.argv[2:]:
        (Path(sys.argv[1]) / name).mkdir()
        MAKE[name](Path(sys.argv[1]) / name)
        print(name, flush=True)
