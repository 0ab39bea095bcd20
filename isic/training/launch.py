"""Several processes of one command, which train one network together on this machine.

    python -m isic.training.launch 4 isic classifier …

torchrun would do, but its processes meet at a port that the network can reach, and it answers an
error with a traceback of its own. These meet in a file and talk over the loopback interface.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from isic.process import end_with_the_workflow

LOOPBACK = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "lo")


def launch(count: int, command: Sequence[str]) -> int:
    """Run `count` processes of a command, each with its RANK, as torchrun would.

    When one fails, the others are ended, and what it wrote to standard error is shown; so each of
    them may say the same, and it is said once.

    Returns:
        The exit status: 0, or that of the process that failed (128 + the signal that ended it).
    """
    with tempfile.TemporaryDirectory(prefix="isic-") as folder:
        said = [Path(folder, f"stderr{rank}") for rank in range(count)]
        workers = []
        for rank in range(count):
            variables = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": count,
                "LOCAL_WORLD_SIZE": count,
                "ISIC_MEETING": Path(folder, "meeting").as_uri(),
                "ISIC_WORKFLOW": os.getpid(),  # they end when this process does, however it ends
                "GLOO_SOCKET_IFNAME": LOOPBACK,
                "NCCL_SOCKET_IFNAME": LOOPBACK,
            }
            environment = os.environ | {name: str(value) for name, value in variables.items()}
            with said[rank].open("wb") as file:
                workers.append(subprocess.Popen(command, env=environment, stderr=file))
        try:
            while None in (ended := [worker.poll() for worker in workers]) and not any(ended):
                time.sleep(0.05)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        words = [path.read_text(encoding="utf-8", errors="replace") for path in said]
    # What one process does wrong, others may notice before it is looked at: the one that says what.
    failed = [rank for rank, status in enumerate(ended) if status]
    shown = min(failed, key=lambda rank: "isic: " not in words[rank], default=0)
    sys.stderr.write(words[shown])
    status = ended[shown] or 0
    if status < 0:
        print(f"isic: process {shown} was ended by signal {-status}.", file=sys.stderr)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    end_with_the_workflow()
    try:
        sys.exit(launch(int(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
