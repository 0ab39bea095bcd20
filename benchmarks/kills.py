"""Kill a running workflow again and again, and compare what it ends with to an unbroken run.

    python benchmarks/kills.py WORK --kills 50

makes Table 1 and Figure 5 of `birds` twice below the folder WORK: once unbroken, once killed by
SIGKILL at random moments (Snakemake with all its processes, one job alone, Snakemake alone, in
turn) and started again each time by the same command. It ends with status 1 if a file differs,
is missing or is left over.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import psutil
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
KINDS = ("all", "job", "snakemake")
NOT_COMPARED = ("logs", "benchmarks", "tensorboard")  # they hold times


def start(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the workflow in `folder`, in a process group of its own, its output in run.log."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), *arguments]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        )


def jobs(workflow: psutil.Process) -> list[psutil.Process]:
    """The `isic` processes of a running workflow."""
    try:
        running = workflow.children(recursive=True)
        return [p for p in running if any(a.endswith("/isic") for a in p.cmdline()[:2])]
    except psutil.NoSuchProcess:
        return []


def strike(process: subprocess.Popen[bytes], kind: str, rng: np.random.Generator) -> bool:
    """Kill what `kind` says, and wait for the end of Snakemake; whether there was such a thing."""
    working = jobs(psutil.Process(process.pid))
    if process.poll() is not None or (kind == "job" and not working):
        return False
    if kind == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif kind == "snakemake":
        process.send_signal(signal.SIGKILL)
    else:
        try:
            working[rng.integers(len(working))].kill()
        except psutil.NoSuchProcess:
            return False
    process.wait()
    return True


def differences(whole: Path, broken: Path) -> Iterator[str]:
    """The files below two `results` folders that are not the same, and what is left over."""

    def files(folder: Path) -> set[Path]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path for path in found if not set(NOT_COMPARED) & set(path.parts)}

    yield from (f"{path}: in one only" for path in sorted(files(whole) ^ files(broken)))
    for path in sorted(files(whole) & files(broken)):
        if not same(whole / path, broken / path):
            yield f"{path}: differs"


def same(a: Path, b: Path) -> bool:
    """Equal arrays of HDF5 and safetensors files, equal bytes of others."""
    if a.suffix == ".h5":
        with h5py.File(a) as one, h5py.File(b) as other:
            return list(one) == list(other) and all(
                np.array_equal(one[name][:], other[name][:]) for name in one
            )
    if a.suffix == ".safetensors":
        one, other = load_file(a), load_file(b)
        return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)
    return a.read_bytes() == b.read_bytes()


def kill_and_compare(
    work: Path, kills: int, longest: float, arguments: Sequence[str] = (), seed: int = 0
) -> tuple[Counter[str], list[str]]:
    """Run unbroken, then broken; the kills by kind, and the differences.

    Args:
        longest: a kill comes 2 to so many seconds after a start, at random.
        arguments: further ones of snakemake.
    """
    rng = np.random.default_rng(seed)
    whole, broken = work / "whole", work / "broken"
    for folder in (whole, broken):
        folder.mkdir(parents=True)
    if start(whole, arguments).wait():
        raise SystemExit((whole / "run.log").read_text())
    done: Counter[str] = Counter()
    process = start(broken, arguments)
    while done.total() < kills:
        wait = time.monotonic() + rng.uniform(2, longest)
        while process.poll() is None and time.monotonic() < wait:
            time.sleep(0.05)
        kind = KINDS[done.total() % len(KINDS)]
        if strike(process, kind, rng):
            done[kind] += 1
            print(f"{time.strftime('%X')} kill {done.total()}: {kind}", flush=True)
        elif process.poll() is not None:
            if process.returncode:
                raise SystemExit((broken / "run.log").read_text()[-5000:])
            print(f"the run was done after {done.total()} kills")
            break
        if process.poll() is not None:
            process = start(broken, arguments)
    if process.wait():
        raise SystemExit((broken / "run.log").read_text()[-5000:])
    return done, list(differences(whole / "results", broken / "results"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="new folder to work in")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=30, help="seconds from start to kill")
    options = parser.parse_args()
    begin = time.perf_counter()
    done, different = kill_and_compare(options.work.resolve(), options.kills, options.longest)
    print(f"{dict(done)} kills, {time.perf_counter() - begin:.0f} s with the unbroken run")
    print("\n".join(different) or "all files are the same")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
