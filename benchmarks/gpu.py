"""The GPU suite: steps that run one by one, each in a process of its own and with a JSON file.

    benchmarks/gpu.sh [STEP …]      # the wheels it may need, and this file

Steps, the most telling first: throughput, loader, nmf, deterministic, processes, cub. `loader` and
`nmf` are bench.py's. A step that fails, or is not done after 9 minutes, says so in its file, and
the others go on. OUT names the folder of the files, CUB that of the last step, which goes on where
it was when it is run again. SMALL=1 tries everything in small, on any machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import bench
from bench import ROOT, SMALL, alternately, benchmark, compile_, sizes, stepper, synchronize

LIMIT = 540.0  # seconds a step
CUB = Path(os.environ.get("CUB") or Path(tempfile.gettempdir(), "isic-cub-size"))
PAPER = "datasets: {cub: {recognizer: {backbone: null}}}\n"
TRIED = """
datasets:
  cub:
    images: {resize: 40, crop: 33}
    classifier: {backbone: resnet18, weights: none, epochs: 1, classes_per_batch: 2}
    segmenter: {backbone: resnet18, weights: none, epochs: 1}
    recognizer: {backbone: null}
"""


@benchmark
def throughput(scratch: Path) -> dict:
    """ResNet-50 in bf16, channels last: images/s, and their share of a large product's FLOP/s."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from isic.networks.fusion import PlainNetwork
    from isic.training.devices import pick_device, place

    size, device = sizes(), pick_device()
    order, products, steps = (256, 1, 1) if SMALL else (8192, 20, 20)
    a, b = torch.randn(2, order, order, device=device, dtype=torch.bfloat16)

    def multiply() -> None:
        for _ in range(products):
            a @ b
        synchronize()

    def network(training: bool) -> torch.nn.Module:
        made = PlainNetwork(size["backbone"], None, outputs=200).train(training)
        place(made, device)
        return made

    def inferrer(model, x):
        @torch.inference_mode()
        def infer() -> None:
            with torch.autocast(device.type, torch.bfloat16):
                for _ in range(steps):
                    model(x)
            synchronize()

        return infer

    ways, images, compiling = {"product": multiply}, {}, {}
    for batch, compiled in ((1, False), (4, False), (4, True)):
        batch *= size["batch"]  # the paper's, and one that fills the GPU
        x = torch.randn(batch, 3, size["crop"], size["crop"], device=device)
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.arange(batch, device=device) % 200
        still = compile_(network(False)) if compiled else network(False)
        for kind, way in {
            "training": stepper(network(True), x, y, steps, compiled=compiled),
            "inference": inferrer(still, x),
        }.items():
            name = f"{kind}, batches of {batch}{', compiled' * compiled}"
            ways[name], images[name] = way, batch * steps
            if compiled:
                begin = time.perf_counter()
                way()
                compiling[kind] = round(time.perf_counter() - begin, 1)
    flops = {}
    for name, way in ways.items():
        if "compiled" not in name and name != "product":
            with FlopCounterMode(display=False) as counter:
                way()
            flops[name.split(",")[0]] = counter.get_total_flops() / images[name]
    seconds = alternately(ways)
    peak = 2 * order**3 * products / seconds.pop("product")
    rate = {name: images[name] / value for name, value in seconds.items()}
    return {
        "backbone": size["backbone"],
        "side": size["crop"],
        "product": f"{order} × {order} × {order}",
        "peak_tflops": round(peak / 1e12, 3),
        "gflop_per_image": {name: round(value / 1e9, 3) for name, value in flops.items()},
        "images_per_second": {name: round(value, 1) for name, value in rate.items()},
        "share_of_peak": {
            name: round(value * flops[name.split(",")[0]] / peak, 4) for name, value in rate.items()
        },
        "seconds_with_compiling": compiling,
    }


def train_briefly(deterministic: bool, backend: str) -> None:
    """One epoch of a classifier, of one process or of several on one device; printed as JSON."""
    begin = time.perf_counter()
    import numpy as np
    import torch

    from isic.method.classifier import train_classifier
    from isic.networks.fusion import FusionNetwork
    from isic.process import MEETING, end_with_the_workflow, processes, rank
    from isic.settings.sections import Classifier
    from isic.training.devices import reproducible
    from isic.training.loop import Job

    end_with_the_workflow()
    size = sizes()
    groups, n = size["batch"] // 4, size["batch"] * size["steps"]
    shape = (n, size["resize"], size["resize"], 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    settings = Classifier(classes_per_batch=groups, **bench.TRAINING)
    torch.manual_seed(0)
    network = FusionNetwork(size["backbone"], None, channels=128, outputs=groups)
    with tempfile.TemporaryDirectory() as own, reproducible(deterministic):
        if processes() > 1:
            tempfile.tempdir = own  # of the locks that keep a GPU to one process
            import torch.distributed as dist

            dist.init_process_group(
                backend, os.environ[MEETING], rank=rank(), world_size=processes()
            )
        labels = np.arange(n) // 4 % groups
        curves = train_classifier(
            network, images, labels, np.eye(groups, dtype=bool), settings, Job(size["crop"], 0)
        )
        synchronize()
    digest = hashlib.sha256()
    for values in network.cpu().state_dict().values():
        digest.update(values.numpy().tobytes())
    if rank() == 0:
        seconds = round(time.perf_counter() - begin, 2)
        loss = {name: curves[-1][name] for name in ("ce", "icfs")}
        print(json.dumps({"seconds": seconds, **loss, "sha256": digest.hexdigest()}))


def trained(count: int = 1, deterministic: bool = False, backend: str = "", **variables) -> dict:
    """What `train_briefly` printed in so many processes, or why it did not."""
    program = f"import gpu; gpu.train_briefly({deterministic}, {backend!r})"
    path = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "isic.training.launch", str(count)]
    command += [sys.executable, "-c", program]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT / 4,
            env={**os.environ, "PYTHONPATH": path, **variables},
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {LIMIT / 4:.0f} s"}
    if done.returncode:
        return {"error": done.stderr.strip()[-1000:]}
    return json.loads(done.stdout.splitlines()[-1])


@benchmark
def deterministic(scratch: Path) -> dict:
    """Whether two trainings end with the same bytes, with the setting `deterministic` and without.

    The seconds include the start of the process.
    """
    found = {}
    for name, wanted in (("deterministic", True), ("default", False)):
        runs = [trained(deterministic=wanted) for _ in range(2)]
        errors = [run["error"] for run in runs if "error" in run]
        same = {} if errors else {"same_bytes": runs[0]["sha256"] == runs[1]["sha256"]}
        found[name] = {**same, "runs": runs}
    return found


@benchmark
def processes(scratch: Path) -> dict:
    """Two processes that train one network on one GPU, against one: their losses are alike.

    NCCL may refuse to have one GPU twice; then over gloo, and if that fails too on the CPU.
    """
    import torch

    found = {"one process": trained()}
    ways = [("nccl", {}), ("gloo", {})] if torch.cuda.is_available() else []
    for backend, variables in [*ways, ("gloo", {"CUDA_VISIBLE_DEVICES": ""})]:
        name = f"two, {backend}{' on the CPU' * bool(variables)}"
        found[name] = trained(2, backend=backend, **variables)
        if "error" not in found[name]:
            break
    return found


@benchmark
def cub(scratch: Path) -> dict:
    """Table 1 at CUB's size with the paper's settings but for the recognizer, by stage.

    Images are generated, of 256 pixels, and weights random: the figures in the table mean nothing.
    """
    begin = time.perf_counter()
    settings = scratch / "settings.yaml"
    settings.write_text(TRIED if SMALL else PAPER, encoding="utf-8")
    command = [sys.executable, str(ROOT / "benchmarks/cub_size.py"), str(CUB)]
    command += ["results/cub/table1.csv", "--size", "100" if SMALL else "256"]
    said = scratch / "said"
    with said.open("w") as file:
        status = ended(
            [*command, "--settings", str(settings)], LIMIT - 20, stdout=file, stderr=file
        )
    stages: dict[str, float] = defaultdict(float)
    for path, seconds in bench.job_seconds(CUB / "run/results/cub").items():
        place = path.relative_to(CUB / "run/results/cub/benchmarks").with_suffix("")
        stages[place.parts[1] if len(place.parts) > 2 else place.name] += seconds
    why = "not done in time: run this step again, and it goes on" if status is None else ""
    error = {"error": why or said.read_text()[-1000:]} if status != 0 else {}
    return {
        **error,
        "table1": (CUB / "run/results/cub/table1.csv").exists(),
        "seconds_of_this_call": round(time.perf_counter() - begin, 1),
        "seconds_by_stage": {name: round(value, 1) for name, value in stages.items()},
    }


def ended(command: list[str], limit: float, **how) -> int | None:
    """Exit status of a command, or None where it was ended, with all it started, for its time."""
    child = subprocess.Popen(command, start_new_session=True, **how)
    try:
        return child.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


STEPS = (*("throughput", "loader", "nmf", "deterministic", "processes", "cub"),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    chosen = parser.parse_args()
    if unknown := set(chosen.steps) - set(STEPS):
        parser.error(f"no step {', '.join(unknown)}; there are {', '.join(STEPS)}")
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        sys.exit(f"torchvision is absent or does not fit torch ({error}): bring the one that fits.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started ends with it
    if SMALL:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # several wait for each other
    out = Path(os.environ.get("OUT") or ROOT / "benchmarks/gpu-results")
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for step in chosen.steps or STEPS:
        file = out / f"{step}.json"
        file.unlink(missing_ok=True)
        status = ended([sys.executable, __file__, step, "--output", str(file)], LIMIT)
        if not file.exists():
            why = f"not done after {LIMIT:.0f} s" if status is None else f"exit status {status}"
            found = {"machine": bench.machine(), step: {"error": why}}
            file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        if "error" in json.loads(file.read_text())[step]:
            failed.append(step)
    sys.exit(f"failed, see {out}: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    bench.main() if "--output" in sys.argv else main()
