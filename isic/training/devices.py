"""The device that a process computes on; no two processes of a machine take the same GPU."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import torch
from torch import nn

from isic.errors import InputError
from isic.storage.locks import take


@cache
def pick_device() -> torch.device:
    """A GPU that no other `isic` process uses, else the CPU. Waits where all GPUs are taken.

    For commands, whose processes are their own. CUDA_VISIBLE_DEVICES, which clusters set, limits
    the choice. A GPU is held until the process ends, however it ends: the operating system keeps
    the lock. What is float32 is then computed in float32: torch's own choice is TF32, of 10 bits,
    in convolutions.

    Raises:
        InputError: the folder of the locks is somebody else's.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    folder = Path(tempfile.gettempdir(), f"isic-gpus-{os.getuid()}")
    device = torch.device("cuda", _take([str(p.uuid) for p in properties], folder))
    torch.cuda.set_device(device)
    return device


def own_folder(path: Path) -> None:
    """A folder in a place that all users share, made where there is none.

    Raises:
        InputError: it is somebody else's, who could hold or replace what is in it.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not own or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            f"{path}: is not a folder that only you can write to. Delete it, or set TMPDIR to a "
            "folder of yours, the same for all jobs."
        )


def place(network: nn.Module, device: torch.device) -> None:
    """Move a network to a device, with channels last in memory, as the images have them."""
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # not in torch's types


@contextmanager
def reproducible(wanted: bool) -> Iterator[None]:
    """Use torch's deterministic algorithms, on a GPU; on the CPU the bytes are the same anyway.

    Without them, sums on a GPU (of gradients of convolutions and of interpolated maps) are taken in
    an order that differs from run to run, and so do the last digits.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def _take(names: Sequence[str], folder: Path, wait: float = 1.0) -> int:
    """Lock the first free name's file in `folder`; which it was."""
    own_folder(folder)
    waiting = False
    while True:
        for place, name in enumerate(names):
            if take(folder / name, "Share the GPUs out with CUDA_VISIBLE_DEVICES."):
                return place
        if not waiting:
            held = "the GPU is" if len(names) == 1 else f"all {len(names)} GPUs are"
            print(f"{held} held by other isic commands: waiting for one to end.", flush=True)
            waiting = True
        time.sleep(wait)
