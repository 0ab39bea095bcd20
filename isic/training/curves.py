"""Curves for TensorBoard, beside those in CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isic.storage.files import make_folder

Log = Callable[[int, dict[str, float]], None]


def no_log(epoch: int, values: dict[str, float]) -> None:
    """Logs nothing."""


@contextmanager
def event_log(folder: Path | None, stage: str) -> Iterator[Log]:
    """Yield what writes an epoch's values to TensorBoard, as `STAGE/name`; nothing if no folder.

    All trainings of an arm write to one folder, which TensorBoard shows as one run. What the same
    stage left there before is removed with the first epoch: it would show as a second line.
    """
    if folder is None:
        yield no_log
        return
    from torch.utils.tensorboard import SummaryWriter

    make_folder(folder)
    old = list(folder.glob(f"events.*.{stage}"))
    with SummaryWriter(str(folder), filename_suffix=f".{stage}") as writer:

        def log(epoch: int, values: dict[str, float]) -> None:
            while old:
                old.pop().unlink(missing_ok=True)
            for name, value in values.items():
                writer.add_scalar(f"{stage}/{name}", value, epoch)
            writer.flush()

        yield log
