"""What several rooms share: the command, a model that is applied, workflows that have run."""

from collections.abc import Callable
from pathlib import Path

import commands
import kills
import pytest
import torch
from networks import CLASSES, CROP, SETTINGS, SMALL, fusion_network
from workflows import TARGETS, TINY, Workflow

from isic.networks.files import save_model, save_network


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


@pytest.fixture(scope="session")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A workflow that has run from images to table, on one core."""
    workflow = Workflow(tmp_path_factory.mktemp("isic"))
    done = workflow.run(*TARGETS, "--cores", "1")
    assert done.returncode == 0, done.stdout
    workflow.made = kills.files(workflow.folder / "results")
    return workflow


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A workflow that has made all there is of the data set birds, and was killed on the way."""
    run = Workflow(tmp_path_factory.mktemp("report"))
    run.configure("tiny.yaml", {"birds": TINY | {"tables": {"lam": [0, 1.0], "gamma": [0.3]}}})
    run.configure("changes.yaml", {})
    settings = [str(run.folder / name) for name in ("tiny.yaml", "changes.yaml")]
    arguments = ["results/birds/all", "--cores", "2", "--configfile", *settings]
    done = kills.broken_run(lambda: kills.start(run.folder, arguments, run.folder), 3, 15)
    assert done.total() == 3
    return run
