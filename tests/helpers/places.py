"""Places to write to, and machines, that are not as usual."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def killed(work: Callable[[], object]) -> int:
    """Do work in a child process, which may end itself; its exit status."""
    if not (child := os.fork()):
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened: as many are open as may be."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def files(folder: Path) -> dict[str, str]:
    """Text of every file below a folder, hidden ones too, by relative path."""
    found = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def may_mount() -> bool:
    """Whether this user may mount a file system, in a namespace of the command's own."""
    try:
        tried = subprocess.run([*MOUNT, "mount -t tmpfs tmpfs /mnt"], capture_output=True)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


MOUNT = ["unshare", "--mount", "sh", "-c"]
