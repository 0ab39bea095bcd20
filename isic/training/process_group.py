"""Several processes that train one network, one a GPU; `training.launch` or torchrun starts them.

Each process draws the same batches, sees its part of each, and computes the loss of the whole batch
from the outputs of all: similar classes and the pairs of ICFS (Section 3.4) are those of the whole
batch, whichever process holds their images. With one process nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from isic.errors import InputError
from isic.process import MEETING, neighbours, nodes, processes, rank
from isic.training.devices import pick_device


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes while the block runs: NCCL between GPUs, gloo between CPUs."""
    if processes() == 1:
        yield
        return
    wanted, found = neighbours(), torch.cuda.device_count()
    if 0 < found < wanted:  # without a GPU they share the cores
        raise InputError(f"gpus: {wanted} GPUs are asked for, and there are {found}: lower gpus.")
    dist.init_process_group(
        "nccl" if pick_device().type == "cuda" else "gloo",
        os.environ.get(MEETING, "env://"),  # a file, or where torchrun says
        rank=rank(),
        world_size=processes(),
    )
    print(f"{processes()} processes on {nodes()} nodes train together", flush=True)
    try:
        yield
    finally:
        dist.destroy_process_group()


def broadcast_decision(decision: bool) -> bool:
    """The first process's decision, for all: what depends on the clock must not differ."""
    if processes() == 1:
        return decision
    told = torch.tensor([decision], device=pick_device(), dtype=torch.uint8)
    dist.broadcast(told, 0)
    return bool(told.item())


def row_ranges(n: int) -> list[slice]:
    """The rows of a batch of n that each process sees: as many each as can be, none is empty.

    Needs n ≥ the number of processes.
    """
    edges = [n * i // processes() for i in range(processes() + 1)]
    return [slice(*edge) for edge in pairwise(edges)]


def local_rows(n: int) -> slice:
    """The rows that this process sees."""
    return row_ranges(n)[rank()]


def all_gather_rows(values: Tensor, n: int) -> Tensor:
    """The outputs of the whole batch from those of each process's part: (b, …) → (n, …).

    A gradient flows to this process's own rows alone; what all processes' gradients sum to is that
    of the whole batch's loss (see `parallel`).
    """
    if processes() == 1:
        return values
    shares = row_ranges(n)
    longest = max(share.stop - share.start for share in shares)
    padding = [0, 0] * (values.dim() - 1) + [0, longest - len(values)]
    sent = functional.pad(values.detach(), padding).contiguous()
    received = [torch.empty_like(sent) for _ in shares]
    dist.all_gather(received, sent)
    received = [r[: s.stop - s.start] for r, s in zip(received, shares, strict=True)]
    received[rank()] = values
    return torch.cat(received)


def parallel(network: nn.Module) -> nn.Module:
    """The network as the processes train it together: the same parameters, batch norm over all.

    Its gradients are the processes' mean, so that a loss which each computes whole, from
    `all_gather_rows` outputs, has to be multiplied by their number.
    """
    if processes() == 1:
        return network
    if next(network.parameters()).is_cuda:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    else:
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = _BatchNorm
    devices = [torch.cuda.current_device()] if next(network.parameters()).is_cuda else None
    return DistributedDataParallel(network, devices, forward_sync_buffers=False)


def all_gather(value: Tensor) -> list[Tensor]:
    """A tensor of each process, all of one size and type, in order, on the CPU."""
    if processes() == 1:
        return [value.cpu()]
    sent = value.to(pick_device())
    received = [torch.empty_like(sent) for _ in range(processes())]
    dist.all_gather(received, sent)
    return [tensor.cpu() for tensor in received]


class _Sum(torch.autograd.Function):
    """The sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)


class _BatchNorm(nn.BatchNorm2d):
    """Batch norm over all processes on the CPU, where torch's SyncBatchNorm does not run."""

    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        count = x.numel() // x.shape[1]
        sums = torch.cat([x.sum((0, 2, 3)), x.square().sum((0, 2, 3)), x.new_tensor([count])])
        sums = _Sum.apply(sums)
        total = sums[-1].detach()
        mean, square = (sums[:-1] / total).view(2, -1)
        variance = square - mean.square()
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(input.dtype)
