"""The device that a process computes on; no two processes of a machine take the same GPU."""

from __future__ import annotations

import getpass
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import nn


@cache
def pick_device() -> torch.device:
    """A GPU that no other `isic` process uses, else the CPU. Waits where all GPUs are taken.

    CUDA_VISIBLE_DEVICES, which clusters set, limits the choice. A GPU is held until the process
    ends, however it ends: the operating system keeps the lock.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    folder = Path(tempfile.gettempdir(), f"isic-gpus-{getpass.getuser()}")
    device = torch.device("cuda", _take([str(p.uuid) for p in properties], folder))
    torch.cuda.set_device(device)
    return device


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


_held: list[FileLock] = []  # as long as the process lives


def _take(names: Sequence[str], folder: Path, wait: float = 1.0) -> int:
    """Lock the first free name's file in `folder`; which it was."""
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        for place, name in enumerate(names):
            lock = FileLock(folder / name)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            _held.append(lock)
            return place
        if not waiting:
            print(f"all {len(names)} GPUs are held by other isic processes: waiting.", flush=True)
            waiting = True
        time.sleep(wait)
