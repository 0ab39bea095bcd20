"""What several rooms share: the command, a model that is applied, workflows that have run."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import commands
import psutil
import pytest
import torch
import whole_runs
from networks import CLASSES, CROP, SETTINGS, SMALL, fusion_network
from whole_runs import MAKE
from workflows import Workflow

from isic.networks.files import save_model, save_network

# The networks are tiny, and threads that wait for one another for the most part do just that; the
# other core is for the processes that are started, and for whole runs.
torch.set_num_threads(1)


@pytest.fixture
def isic(capsys: pytest.CaptureFixture[str]) -> Callable[..., commands.Run]:
    """Runs the command in this process, and says what it printed."""

    def run(*words: object) -> commands.Run:
        status = commands.status(*words)
        said = capsys.readouterr()
        return commands.Run(status, said.err.splitlines(), said.out.splitlines())

    return run


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("networks")
    shape = {"kind": "fusion", "backbone": SMALL, "channels": 8}
    paths = folder / "segmenter.safetensors", folder / "classifier.safetensors"
    network = fusion_network(outputs=1)
    maps = network(torch.rand(4, 3, CROP, CROP))[1]
    with torch.no_grad():  # about half of each map is above the threshold, and far from it
        network.head.weight *= 3 / maps.std()
        network.head.bias += (network.head.bias - maps.median()) * 3 / maps.std()
    save_network(paths[0], network, {**shape, "outputs": 1}, {})
    save_network(paths[1], fusion_network(outputs=3), {**shape, "outputs": 3}, {})
    return paths


@pytest.fixture(scope="session")
def model(networks: tuple[Path, Path]) -> Path:
    path = networks[0].parent / "model.safetensors"
    save_model(path, *networks, SETTINGS, CLASSES, {"versions": "{}"})
    return path


# Workflows that have run


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that look at a workflow are slow, and come last, in the order in which these run."""
    for item in items:
        if any(name in item.fixturenames for name in MAKE):
            item.add_marker("slow")
    items.sort(key=lambda item: [name in item.fixturenames for name in reversed(MAKE)])


@pytest.fixture(scope="session", autouse=True)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Workflow]]:
    """Starts those that tests will look at; gives one, by name, as soon as it has run."""
    needed = {name for item in request.session.items for name in item.fixturenames}
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, whole_runs.__file__, folder, *(n for n in MAKE if n in needed)]
    done: list[str] = []

    def get(name: str) -> Workflow:
        while name not in done:
            line = process.stdout.readline()
            assert line, (folder / "log").read_text(encoding="utf-8")
            done.append(line.strip())
        return Workflow(folder / name)

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    yield get
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        one.kill()  # where the tests end before
    process.wait()


@pytest.fixture(scope="session")
def workflow(made: Callable[[str], Workflow]) -> Workflow:
    """A workflow that has run from images to table, on one core."""
    return made("workflow")


@pytest.fixture(scope="session")
def everything(made: Callable[[str], Workflow]) -> Workflow:
    """A workflow that has made all there is of the data set birds, and was killed on the way."""
    return made("everything")
