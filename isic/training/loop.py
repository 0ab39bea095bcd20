"""The one training loop: classifier, segmenter and recognizer pass through it (Section 4.1).

SGD with a constant learning rate, random crops and flips; forward passes under autocast where the
setting says bf16. Everything random comes from one seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isic.data.batches import cut_out, normalised, random_windows
from isic.data.encoded import Encoded
from isic.errors import InputError
from isic.networks.backbones import parameter_groups
from isic.process import processes, rank
from isic.settings.sections import Training
from isic.training.checkpoint import Checkpoint
from isic.training.curves import Log, no_log
from isic.training.devices import pick_device, place
from isic.training.inference import autocast, check_crop, resident, supply
from isic.training.process_group import all_gather, broadcast_decision, local_rows, parallel

# losses: takes the network, the images (b, 3, crop, crop) that this process sees of the batch, and
# the whole batch's rows (n,) and targets' windows (n, crop, crop) or None; returns scalars of the
# whole batch by name, of which `loss` is minimised. With one process b = n; with several,
# `isic.training.process_group.all_gather_rows` makes the outputs whole.
Losses = Callable[[nn.Module, Tensor, Tensor, Tensor | None], dict[str, Tensor]]

LINE_EVERY = 30.0  # seconds, at least, between two lines on the console within an epoch

CHECKPOINT_EVERY = 60.0  # seconds, at least, between two checkpoints
ASK_EVERY = 50  # steps in which several processes agree once on whether to save: they wait then

IMAGES_NAMED = 8  # of a batch whose loss is not finite; the log names all


@dataclass(frozen=True)
class Job:
    """What a training needs besides its settings.

    Attributes:
        crop: side of the random crop, pixels, ≤ R.
        seed: of all that is random.
        log: called after each epoch with its number, from 1, and the values that `train` returns,
            besides `images_per_second`; see `isic.training.curves`.
        checkpoint: the training is saved there about once a minute, and goes on from what is saved
            there; on the CPU it ends with the same bytes as if it had not been interrupted.
        image_ids: (n,) what the images are called in messages; by default their rows.
    """

    crop: int
    seed: int
    log: Log = no_log
    checkpoint: Checkpoint | None = None
    image_ids: Sequence[str] | None = None


@dataclass
class Position:
    """Where a training stands between two steps."""

    epoch: int = 0
    step: int = 0  # within the epoch
    batches: list[np.ndarray] = field(default_factory=list)  # of the epoch; none: not drawn yet
    sums: dict[str, Tensor] = field(default_factory=dict)  # of each value over the images seen
    seen: int = 0  # images of the epoch
    curves: list[dict[str, float]] = field(default_factory=list)  # of the epochs that are done

    def means(self) -> dict[str, float]:
        """Of each value, over the images of the epoch that were seen.

        Waits for the GPU; therefore not at each step.
        """
        return {name: value.item() / self.seen for name, value in self.sums.items()}


class Watch:
    """Looks at each step whether the training is still sound, and says where it ceased to be.

    The first step whose loss is not finite is kept on the device: no step waits for the GPU.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, image_ids: Sequence[object]
    ) -> None:
        self.network, self.image_ids = network, image_ids
        self.never = torch.tensor(torch.iinfo(torch.int64).max, device=device)
        self.first = self.never  # step within the epoch

    def see(self, step: int, loss: Tensor) -> None:
        here = torch.where(torch.isfinite(loss.detach()), self.never, step)
        self.first = torch.minimum(self.first, here)

    def check(self, at: Position, kept: str) -> None:
        """Raise InputError if a loss or, after the last step, a weight was not finite.

        Args:
            kept: what is said of the last checkpoint.
        """
        first = int(self.first)
        if first < int(self.never):
            names = [str(self.image_ids[row]) for row in at.batches[first]]
            step = f"epoch {at.epoch + 1}, step {first + 1}"
            print(f"{step} is of", *names, sep="\n  ", flush=True)
            some, more = ", ".join(names[:IMAGES_NAMED]), len(names) - IMAGES_NAMED
            raise InputError(
                f"the loss is not finite in {step}, images {some}"
                f"{f' and {more} more' if more > 0 else ''}: lower learning_rate or lam, or set "
                f"precision: float32.{kept}"
            )
        sizes = torch.stack([p.detach().abs().max() for p in self.network.parameters()])
        if not torch.isfinite(sizes).all():
            raise InputError(
                f"the weights are not finite after epoch {at.epoch + 1}, step {at.step}: lower "
                f"learning_rate or lam, or set precision: float32.{kept}"
            )


def _kept(checkpoint: Checkpoint, at: Position) -> str:
    return f" {checkpoint.path} is kept, as it was after epoch {at.epoch + 1}, step {at.step}."


def _state(
    at: Position, network: nn.Module, optimizer: torch.optim.Optimizer, rng: np.random.Generator
) -> dict[str, Any]:
    """All that the steps to come depend on, for a checkpoint."""
    return vars(at) | {
        # One tensor: ImageNet's 20,000 batches a piece would take longer than the rest.
        "batches": torch.from_numpy(np.concatenate([np.empty(0, np.int64), *at.batches])),
        "lengths": list(map(len, at.batches)),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "numpy": json.dumps(rng.bit_generator.state),
        "torch": all_gather(_random_state()),
    }


def _restore(
    state: dict[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> Position:
    """Put all back as `_state` found it."""
    network.load_state_dict(state.pop("network"))
    optimizer.load_state_dict(state.pop("optimizer"))
    rng.bit_generator.state = json.loads(state.pop("numpy"))
    torches = state.pop("torch")
    if len(torches) == processes():  # else dropout goes on from the seed
        _set_random_state(torches[rank()].cpu())
    ends = np.cumsum([0, *state.pop("lengths")])
    rows = state.pop("batches").cpu().numpy()
    return Position(**state, batches=[rows[a:b] for a, b in pairwise(ends)])


def _random_state() -> Tensor:
    """Of torch's generator on the device: dropout draws from it."""
    return torch.cuda.get_rng_state() if torch.cuda.is_available() else torch.get_rng_state()


def _set_random_state(state: Tensor) -> None:
    if torch.cuda.is_available():
        torch.cuda.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def train(
    network: nn.Module,
    images: np.ndarray | Encoded,
    losses: Losses,
    sampler: Callable[[np.random.Generator], Iterable[np.ndarray]],
    settings: Training,
    job: Job,
    targets: np.ndarray | Encoded | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place, within `process_group` where processes are several.

    With several, the batches, their losses and the curves are those of one process, but for
    dropout, which each draws for itself, and rounding.

    Args:
        network: has the method `features`; its backbone's parameters are named `backbone.…`.
        images: (n, R, R, 3) uint8. An array is put on the device if it fits there; encoded images
            are decoded as they are needed.
        losses: see `Losses`.
        sampler: yields one epoch's batches of rows.
        settings: epochs, rates, precision.
        job: crop, seed, and where the training is logged and saved.
        targets: (n, R, R) uint8, cropped and flipped with the images, or None.

    Returns:
        One dictionary an epoch: `epoch` and the mean of each value of `losses`.

    Raises:
        InputError: the loss is not finite (the message names step and images; the last checkpoint
            stays, and is of before), or the crop is larger than the images.
    """
    crop, epochs, checkpoint, log = job.crop, settings.epochs, job.checkpoint, job.log
    check_crop(crop, images)
    device = pick_device()
    names = range(len(images)) if job.image_ids is None else job.image_ids
    watch = Watch(network, device, names)
    saved_at = ""
    rng = np.random.default_rng(job.seed)
    torch.manual_seed(job.seed * processes() + rank())  # dropout differs between processes
    place(network, device)
    optimizer = torch.optim.SGD(
        parameter_groups(network, settings.learning_rate, settings.backbone_learning_rate),
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )
    stored = resident(images, device)
    wanted = None if targets is None else resident(targets, device)
    at = Position()
    if checkpoint and (saved := checkpoint.load(device)):
        at = _restore(saved, network, optimizer, rng)
        for means in at.curves:
            log(int(means["epoch"]), {k: v for k, v in means.items() if k != "epoch"})
        saved_at = _kept(checkpoint, at)
        print(f"goes on from epoch {at.epoch + 1}, step {at.step + 1}", flush=True)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    print(f"{len(images)} images, {epochs} epochs, {settings.precision} on {where}", flush=True)
    network.train()
    model = parallel(network)
    trained, begin = 0, time.perf_counter()
    last = kept = begin
    while at.epoch < epochs:
        if not at.batches:
            # A batch with fewer images than processes cannot be shared out.
            at.batches = [batch for batch in sampler(rng) if len(batch) >= processes()]
            if not at.batches:
                raise InputError(
                    f"no batch has an image for each of {processes()} GPUs: lower gpus."
                )
        length = sum(map(len, at.batches))
        to_do = at.batches[at.step :]
        sources = supply(stored, [batch[local_rows(len(batch))] for batch in to_do], device)
        masks = None if wanted is None else supply(wanted, to_do, device)
        for batch, (pictures, places) in zip(to_do, sources, strict=True):
            asked = processes() == 1 or at.step % ASK_EVERY == 0
            if (
                checkpoint
                and asked
                and broadcast_decision(time.perf_counter() - kept > CHECKPOINT_EVERY)
            ):
                watch.check(at, saved_at)  # a network that is broken is not kept
                checkpoint.save(_state(at, network, optimizer, rng))
                saved_at = _kept(checkpoint, at)
                kept = time.perf_counter()
            rows = torch.from_numpy(batch).to(device)
            window = random_windows(len(batch), images.shape[1], crop, rng)
            tops, lefts, flips = (values[local_rows(len(batch))] for values in window)
            x = normalised(cut_out(pictures, places, tops, lefts, flips, crop).to(device))
            y = None if masks is None else cut_out(*next(masks), *window, crop).to(device)
            with autocast(device, settings.precision):
                values = losses(model, x, rows, y)
            optimizer.zero_grad()
            watch.see(at.step, values["loss"])
            (values["loss"] * processes()).backward()  # see `parallel`
            optimizer.step()
            for name, value in values.items():
                total = value.detach().double() * len(batch)
                at.sums[name] = at.sums[name] + total if name in at.sums else total
            at.seen += len(batch)
            at.step += 1
            trained += len(batch)
            # Lines, not a bar that redraws itself: they read as well in a log file.
            now = time.perf_counter()
            rate = trained / (now - begin)
            if at.seen == length or now - last > LINE_EVERY:
                watch.check(at, saved_at)
                last = now
                left = round((length - at.seen + (epochs - at.epoch - 1) * length) / rate)
                part = "" if at.seen == length else f", {at.seen / length:.0%}"
                words = " ".join(f"{name} {value:.4f}" for name, value in at.means().items())
                print(
                    f"epoch {at.epoch + 1}/{epochs}{part}: {words}, {rate:.1f} images/s, "
                    f"{timedelta(seconds=left)} left",
                    flush=True,
                )
        # The speed stays out of the curves: a run repeated gives the same to the byte.
        log(at.epoch + 1, at.means() | {"images_per_second": rate})
        at = Position(at.epoch + 1, curves=[*at.curves, {"epoch": at.epoch + 1, **at.means()}])
    network.eval()
    return at.curves
