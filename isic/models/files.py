"""Network files: safetensors, whose header tells how to build the network and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import nn

from isic.artifacts import atomic
from isic.errors import InputError
from isic.models.fusion import FusionNetwork, PlainNetwork

KINDS = {"fusion": FusionNetwork, "plain": PlainNetwork}


def save_network(
    path: str | Path, network: nn.Module, shape: Mapping, metadata: Mapping[str, str]
) -> None:
    """Write a network with what is needed to build it again.

    Args:
        shape: `kind` (`fusion` or `plain`) and the keyword arguments of its class.
        metadata: strings, see `isic.artifacts.provenance`.
    """
    # One entry: safetensors writes several in a random order, and equal networks are equal bytes.
    header = {"isic": json.dumps({"network": dict(shape), **metadata}, sort_keys=True)}
    state = {name: value.contiguous() for name, value in network.cpu().state_dict().items()}
    with atomic(path) as part:
        part.write_bytes(safetensors.torch.save(state, header))


def load_network(path: str | Path) -> tuple[FusionNetwork | PlainNetwork, dict[str, str]]:
    """Read a network in evaluation mode, and its metadata. Nothing is unpickled.

    Raises:
        InputError: the file is missing, damaged, or of another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["isic"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shape = metadata.pop("network")
        network = KINDS[shape.pop("kind")](weights=None, **shape)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: no network that isic wrote, or a damaged one ({reason}). "
            "Delete it and run the same command again."
        ) from error
    return network.eval(), metadata
