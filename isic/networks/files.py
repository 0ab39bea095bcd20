"""Network files: safetensors, whose header tells how to build the network and what made it.

A network of a run is one such file; a model holds what is needed to localise objects in new images.
Files of every format up to FORMAT are read for ever. What is added later to settings or networks
gets the value that it had for older files; what older code would misread gets another FORMAT.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
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

FORMAT = 1  # also of files without a number, which older code wrote
KINDS = {"fusion": FusionNetwork, "plain": PlainNetwork}
Network = FusionNetwork | PlainNetwork
ROLES = ("segmenter", "recognizer")
VIEW = {"resize", "crop", "precision"}
SETTINGS = VIEW | {"threshold", "recognizer"}
PRECISIONS = ("float32", "bf16")


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
    with _explained(path, "network", "Delete it and run the same command again."):
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
    """Read a model, also an older one. Nothing is unpickled.

    Raises:
        InputError: the file is missing, damaged, of a newer isic, or no model.
    """
    with _explained(path, "model", "Make it again with `isic model`."):
        state, header = _read(path)
        if "model" not in header:
            raise InputError(
                f"{path}: is one network of a run. A model also holds the settings and class "
                "names: results/DATASET/model.safetensors, or what `isic model` makes."
            )
        header = header["model"]
        shapes = header.pop("networks")
        _refuse_more("network", shapes, ROLES)
        networks = {role: _built(shape, _part(state, role)) for role, shape in shapes.items()}
        segmenter, recognizer = networks["segmenter"], networks.get("recognizer")
        if not isinstance(segmenter, FusionNetwork):
            raise ValueError("its segmenter is a plain network")
        classes = header.pop("classes", [])
        if recognizer is not None and recognizer.head.out_channels != len(classes):
            raise ValueError(f"{len(classes)} names of {recognizer.head.out_channels} classes")
        return Model(segmenter, recognizer, _settings(header.pop("settings")), classes, header)


def _settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings, those that its file does not have as they were then."""
    _refuse_more("setting", stored, SETTINGS)
    settings = {"precision": "float32", "threshold": 0.5, **stored}
    view = {name: settings[name] for name in sorted(VIEW)}
    _refuse_more("setting", settings.get("recognizer", {}), VIEW)
    settings["recognizer"] = view | settings.get("recognizer", {})
    if not 0 < float(settings["threshold"]) < 1:
        raise ValueError(f"threshold {settings['threshold']}")
    for seen in (settings, settings["recognizer"]):
        _refuse_more("precision", [seen["precision"]], PRECISIONS)
        if not 1 <= int(seen["crop"]) <= int(seen["resize"]):
            raise ValueError(f"crop {seen['crop']} of {seen['resize']} pixels")
    return settings


class _Newer(Exception):
    """What this code does not know, in a few words."""


def _refuse_more(what: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise _Newer(f"its {what} '{name}' is not known here")


@contextmanager
def _explained(path: str | Path, what: str, remedy: str) -> Iterator[None]:
    """Turn what is raised while a file is read into InputError."""
    try:
        yield
    except _Newer as error:
        raise InputError(f"{path}: made by a newer isic ({error}). Update isic.") from error
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        reason = f"no {reason}" if isinstance(error, KeyError) else reason
        raise InputError(
            f"{path}: no {what} that isic wrote, or a damaged one ({reason}). {remedy}"
        ) from error


DAMAGED = (SafetensorError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)


def _write(path: str | Path, state: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    # One entry: safetensors writes several in a random order, and equal networks are equal bytes.
    metadata = {"isic": json.dumps({"format": FORMAT, **header}, sort_keys=True)}
    state = {name: value.contiguous() for name, value in state.items()}
    with atomic(path) as part:
        part.write_bytes(safetensors.torch.save(state, metadata))


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file that `_write` wrote; one of DAMAGED where it is not."""
    with reading(path), safe_open(path, framework="pt") as file:
        header = json.loads((file.metadata() or {})["isic"])
        if (number := header.pop("format", FORMAT)) > FORMAT:
            raise _Newer(f"format {number}; this one reads up to {FORMAT}")
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def _part(state: Mapping[str, Tensor], role: str) -> dict[str, Tensor]:
    prefix = f"{role}."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _built(shape: Mapping[str, Any], state: Mapping[str, Tensor]) -> Network:
    kind = shape["kind"]
    _refuse_more("kind of network", [kind], KINDS)
    known = inspect.signature(KINDS[kind]).parameters
    options = {name: value for name, value in shape.items() if name != "kind"}
    _refuse_more("network's option", options, known)
    outputs, channels = state["head.weight"].shape[:2]
    options = (
        {"outputs": outputs} | ({"channels": channels} if "channels" in known else {}) | options
    )
    try:
        network = KINDS[kind](weights=None, **options)
    except InputError as error:  # no such backbone
        raise _Newer(str(error)) from error
    network.load_state_dict(state)
    check_finite(network)
    return network.eval()
