"""This process: which of several it is, its threads, and with what it ends."""

from __future__ import annotations

import os
import select
import threading

# Of a computation; on two cores 6 % slower than two (docs/results/memory-and-threads.md).
THREADS = 4


def processes() -> int:
    """How many processes train together: WORLD_SIZE, or 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number among them, from 0; 0 alone writes files."""
    return int(os.environ.get("RANK", "0"))


def end_with_the_workflow() -> None:
    """End this process when the Snakemake that started it is gone, even killed by SIGKILL.

    Nobody waits for its work then, and a workflow started again would do the same beside it.
    """
    workflow = int(os.environ.get("ISIC_WORKFLOW", "0"))  # set by rules/common.smk
    if not workflow or not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(workflow)
    except OSError:  # of another machine or container
        return

    def wait() -> None:
        select.select([handle], [], [])  # readable when the process ends
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
