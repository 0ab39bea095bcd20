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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import psutil
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
KINDS = ("all", "job", "snakemake")
NOT_COMPARED = ("logs", "benchmarks", "tensorboard")  # they hold times


def start(
    folder: Path, arguments: Sequence[str] = ("--cores", "2"), root: Path = ROOT
) -> subprocess.Popen[bytes]:
    """Start the workflow of the repository `root` in `folder`, in a process group of its own; its
    output goes to run.log. `arguments` are snakemake's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(folder), *arguments]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(root), "PATH": path},
        )


def jobs(workflow: int) -> list[psutil.Process]:
    """The `isic` processes of the workflow of this process number."""
    try:
        running = psutil.Process(workflow).children(recursive=True)
        return [p for p in running if any(a.endswith("/isic") for a in p.cmdline()[:2])]
    except psutil.NoSuchProcess:
        return []


def strike(process: subprocess.Popen[bytes], kind: str, rng: np.random.Generator) -> bool:
    """Kill what `kind` says, and wait for the end of Snakemake; whether there was such a thing."""
    working = jobs(process.pid)
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


def files(folder: Path) -> set[Path]:
    """What is compared of a `results` folder, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in found if not set(NOT_COMPARED) & set(path.parts)}


def differences(whole: Path, broken: Path) -> Iterator[str]:
    """The files below two `results` folders that are not the same, and what is left over."""
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


def broken_run(
    run: Callable[[], subprocess.Popen[bytes]], kills: int, longest: float, seed: int = 0
) -> Counter[str]:
    """Start a workflow with `run`, kill it and start it again, so many times; then let it end.

    Args:
        longest: a kill comes 2 to so many seconds after a start, at random.

    Returns:
        Kills by kind; fewer than asked for if the work was done before.

    Raises:
        RuntimeError: started once more, it fails without being killed.
    """
    rng = np.random.default_rng(seed)
    done: Counter[str] = Counter()
    process = run()
    while done.total() < kills:
        wait = time.monotonic() + rng.uniform(2, longest)
        while process.poll() is None and time.monotonic() < wait:
            time.sleep(0.05)
        if process.poll() is not None:
            break
        kind = KINDS[done.total() % len(KINDS)]
        if strike(process, kind, rng):
            done[kind] += 1
            print(f"{time.strftime('%X')} kill {done.total()}: {kind}", flush=True)
            process = run()
    if process.wait():
        raise RuntimeError(f"it fails, {dict(done)} kills after it began: see run.log")
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="new folder to work in")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=30, help="seconds from start to kill")
    options = parser.parse_args()
    begin = time.perf_counter()
    whole, broken = options.work.resolve() / "whole", options.work.resolve() / "broken"
    for folder in (whole, broken):
        folder.mkdir(parents=True)
    if start(whole).wait():
        sys.exit(f"the unbroken run fails: {whole / 'run.log'}")
    middle = time.perf_counter()
    done = broken_run(lambda: start(broken), options.kills, options.longest)
    end = time.perf_counter()
    print(f"unbroken {middle - begin:.0f} s; broken {end - middle:.0f} s, {dict(done)} kills")
    different = list(differences(whole / "results", broken / "results"))
    print("\n".join(different) or f"all {len(files(whole / 'results'))} files are the same")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
