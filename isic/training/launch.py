"""Several processes of one command, which train one network together on this machine.

    python -m isic.training.launch 4 isic classifier …

torchrun would do, but its processes meet at a port that the network can reach, and it answers an
error with a traceback of its own. These meet in a file and talk over the loopback interface.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from isic.process import (
    INTERRUPTED,
    MEETING,
    WORKFLOW,
    end_with_the_workflow,
    identity,
    open_streams,
)

GRACE = 2.0  # seconds
LOOPBACK = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), "lo")


def launch(count: int, command: Sequence[str]) -> int:
    """Run `count` processes of a command, each with its RANK, as torchrun would.

    What they write to standard error is passed on line by line, with the rank where there are
    several. When one fails, the others are ended, after time to say why it may have been.

    Returns:
        The exit status: 0, or that of the process that failed (128 + the signal that ended it).
    """
    with tempfile.TemporaryDirectory(prefix="isic-") as folder:
        workers, readers = [], []
        for rank in range(count):
            variables = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": count,
                "LOCAL_WORLD_SIZE": count,
                MEETING: Path(folder, "meeting").as_uri(),
                WORKFLOW: identity(os.getpid()),  # they end when this process does, however it ends
                "GLOO_SOCKET_IFNAME": LOOPBACK,
                "NCCL_SOCKET_IFNAME": LOOPBACK,
            }
            environment = os.environ | {name: str(value) for name, value in variables.items()}
            worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
            name = f"rank {rank}: " if count > 1 else ""
            reader = threading.Thread(
                target=_pass_on, args=(worker.stderr, name.encode()), daemon=True
            )
            reader.start()
            workers.append(worker)
            readers.append(reader)
        try:
            last = math.inf
            while None in (ended := [worker.poll() for worker in workers]):
                if any(ended):
                    last = min(last, time.monotonic() + GRACE)
                if time.monotonic() > last:
                    break
                time.sleep(0.05)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
            for reader in readers:
                reader.join(1)  # not for ever: a process of the worker's own may hold the pipe
    # What ends one ends others: first of all a signal, then an error that is explained.
    status = min(filter(None, ended), default=0)
    if status < 0:
        print(f"isic: rank {ended.index(status)} was ended by signal {-status}.", file=sys.stderr)
    return status if status >= 0 else 128 - status


_said: set[bytes] = set()
_one_at_a_time = threading.Lock()


def _pass_on(lines: Iterable[bytes], name: bytes) -> None:
    """Write each line, with whose it is; an error that several explain is said once."""
    for line in lines:
        with _one_at_a_time, suppress(OSError):  # nobody may read any more; the worker goes on
            if line not in _said:
                sys.stderr.buffer.write(name + line)
                sys.stderr.flush()
            if line.startswith(b"isic: "):
                _said.add(line)


if __name__ == "__main__":
    open_streams()
    end_with_the_workflow()
    try:
        sys.exit(launch(int(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
