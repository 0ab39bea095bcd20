"""What the commands that train have in common: from settings to a network's file and its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from isic.commands.arguments import TrainingRun
from isic.commands.running import command_provenance
from isic.networks.files import Network, save_network
from isic.networks.positions import offsets
from isic.process import rank
from isic.storage.files import is_stream
from isic.storage.tables import write_csv
from isic.training.checkpoint import Checkpoint
from isic.training.curves import event_log
from isic.training.devices import reproducible
from isic.training.loop import Job
from isic.training.process_group import process_group


def scale_offsets(network: Network, side: int) -> list[float] | None:
    """Where a network's scales lie at this side, see `isic.networks.positions.offsets`."""
    found = offsets(network.backbone, side)
    if found:
        places = ", ".join(f"{x:g}" for x in found)
        print(f"the first positions of f3, f4, f5 look at the pixels {places}")
    return found


def train_and_save(
    stage: str,
    network: nn.Module,
    shape: Mapping[str, Any],
    train: Callable[[Job], Sequence[Mapping[str, float]]],
    run: TrainingRun,
    image_ids: Sequence[str],
    output: Path,
    curves: Path,
) -> None:
    """Train a network, on several GPUs if several processes do, and write it and its curves.

    Args:
        stage: the name of its curves for TensorBoard.
        shape: what builds the network again, see `isic.networks.files.save_network`.
        train: trains the network in place, and returns its curves.
    """
    checkpoint = None if is_stream(output) else Checkpoint(output, command_provenance())
    with (
        reproducible(run.deterministic),
        process_group(),
        event_log(run.tensorboard if rank() == 0 else None, stage) as log,
    ):
        history = train(Job(run.crop, run.seed, log, checkpoint, image_ids))
    if rank() == 0:
        write_csv(history, curves)
        save_network(output, network, shape, command_provenance())
