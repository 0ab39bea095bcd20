"""Network files: safetensors, whose header tells how to build the network and what made it.

A network of a run is one such file; a model holds what is needed to localise objects in new images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from isic.errors import InputError
from isic.networks.backbones import check_finite
from isic.networks.fusion import FusionNetwork, PlainNetwork
from isic.storage.faults import reading
from isic.storage.files import atomic

KINDS = {"fusion": FusionNetwork, "plain": PlainNetwork}
Network = FusionNetwork | PlainNetwork


def save_network(
    path: str | Path, network: nn.Module, shape: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    """Write a network with what is needed to build it again.

    Args:
        shape: `kind` (`fusion` or `plain`) and the keyword arguments of its class.
        metadata: strings, see `isic.provenance.records.provenance`.
    """
    _write(path, network.cpu().state_dict(), {"network": dict(shape), **metadata})


@overload
def load_network(
    path: str | Path, *, outputs: int | None = None, fused: Literal[True]
) -> tuple[FusionNetwork, dict[str, str]]: ...


@overload
def load_network(
    path: str | Path, *, outputs: int | None = None, fused: bool = False
) -> tuple[Network, dict[str, str]]: ...


def load_network(
    path: str | Path, *, outputs: int | None = None, fused: bool = False
) -> tuple[Network, dict[str, str]]:
    """Read a network in evaluation mode, and its metadata. Nothing is unpickled.

    Args:
        outputs: how many it has to have: a class each, or 1 for a segmenter.
        fused: it has to be one with fused maps: a classifier or segmenter, no recognizer.

    Raises:
        InputError: the file is missing, damaged, of another program, or another network.
    """
    try:
        state, metadata = _read(path)
        network = _built(metadata.pop("network"), state)
        if outputs is not None and network.head.out_channels != outputs:
            wanted = "the one of a segmenter" if outputs == 1 else f"{outputs}, one for each class"
            raise InputError(
                f"{path}: has {network.head.out_channels} outputs, not {wanted}. Give the network "
                "that was trained for this."
            )
        if fused and not isinstance(network, FusionNetwork):
            raise InputError(
                f"{path}: is a plain network. Give a file that `isic classifier` or `isic "
                "segmenter` wrote."
            )
        return network, metadata
    except DAMAGED as error:
        raise InputError(
            f"{path}: no network that isic wrote, or a damaged one ({_reason(error)}). "
            "Delete it and run the same command again."
        ) from error


@dataclass(frozen=True)
class Model:
    """What localises objects in new images.

    Attributes:
        segmenter: the class-agnostic segmenter (Section 3.6), in evaluation mode.
        recognizer: a network whose class maps name the class (Section 3.1), or None.
        settings: `resize`, `crop` (pixels), `threshold` (of the sigmoid), `precision`; the
            recognizer's `resize`, `crop` and `precision` under `recognizer`.
        classes: the recognizer's class names, in order.
        metadata: where it came from, see `isic.provenance.records.provenance`.
    """

    segmenter: FusionNetwork
    recognizer: Network | None
    settings: dict[str, Any]
    classes: list[str]
    metadata: dict[str, str]


def save_model(
    path: str | Path,
    segmenter: str | Path,
    recognizer: str | Path | None,
    settings: Mapping[str, Any],
    classes: list[str],
    metadata: Mapping[str, str],
) -> None:
    """Write a model out of the files of its networks; the other arguments as in `Model`.

    Raises:
        InputError: a file is no network, or not of the kind that is needed.
    """
    header: dict[str, Any] = {"settings": dict(settings), "classes": list(classes), **metadata}
    state: dict[str, Tensor] = {}
    header["networks"] = {}
    for role, source in {"segmenter": segmenter, "recognizer": recognizer}.items():
        if source is None:
            continue
        outputs = 1 if role == "segmenter" else len(classes)
        network, _ = load_network(source, outputs=outputs, fused=role == "segmenter")
        header["networks"][role] = _read(source)[1]["network"]
        state |= {f"{role}.{name}": value for name, value in network.state_dict().items()}
    _write(path, state, {"model": header})


def load_model(path: str | Path) -> Model:
    """Read a model. Nothing is unpickled.

    Raises:
        InputError: the file is missing, damaged, or no model.
    """
    try:
        state, header = _read(path)
        if "model" not in header:
            raise InputError(
                f"{path}: is one network of a run. A model also holds the settings and class "
                "names: results/DATASET/model.safetensors, or what `isic model` makes."
            )
        header = header["model"]
        networks = {
            role: _built(shape, _part(state, role)) for role, shape in header["networks"].items()
        }
        segmenter = networks["segmenter"]
        if not isinstance(segmenter, FusionNetwork):
            raise ValueError("its segmenter is a plain network")
        return Model(
            segmenter=segmenter,
            recognizer=networks.get("recognizer"),
            settings=header.pop("settings"),
            classes=header.pop("classes"),
            metadata={name: header[name] for name in header if name != "networks"},
        )
    except DAMAGED as error:
        raise InputError(
            f"{path}: no model that isic wrote, or a damaged one ({_reason(error)}). "
            "Make it again with `isic model`."
        ) from error


DAMAGED = (SafetensorError, KeyError, RuntimeError, TypeError, ValueError)


def _write(path: str | Path, state: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    # One entry: safetensors writes several in a random order, and equal networks are equal bytes.
    metadata = {"isic": json.dumps(header, sort_keys=True)}
    state = {name: value.contiguous() for name, value in state.items()}
    with atomic(path) as part:
        part.write_bytes(safetensors.torch.save(state, metadata))


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file that `_write` wrote; one of DAMAGED where it is not."""
    with reading(path), safe_open(path, framework="pt") as file:
        header = json.loads((file.metadata() or {})["isic"])
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def _part(state: Mapping[str, Tensor], role: str) -> dict[str, Tensor]:
    prefix = f"{role}."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _built(shape: Mapping[str, Any], state: Mapping[str, Tensor]) -> Network:
    shape = dict(shape)
    network = KINDS[shape.pop("kind")](weights=None, **shape)
    network.load_state_dict(state)
    check_finite(network)
    return network.eval()


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
