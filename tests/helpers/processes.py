"""Whether processes have ended."""

import time
from collections.abc import Sequence

import psutil


def alive(processes: Sequence[psutil.Process], seconds: float = 10) -> list[psutil.Process]:
    """Those that have not ended by then; a zombie has, and waits for its new parent alone."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end = time.monotonic() + seconds
    while (left := list(filter(runs, processes))) and time.monotonic() < end:
        time.sleep(0.1)
    return left
