"""What a run will take: jobs, hours and disk, from the rates of this machine."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any

import pandas as pd

from isic.process import use_threads
from isic.settings.sections import Settings

START = 4.0  # seconds of a job's start, most of it torch's import; benchmarks/cpu-2-cores.json
# Where networks take most of the time, the rest is as benchmarks/cpu-2-cores.json has it.
RATES = {"index": 1200.0, "pack": 600.0, "directions": 840.0, "masks": 1100.0, "boxes": 580.0}
RATES |= {"scores": 54.0}
TIMED = 1.0  # seconds for which each kind of step is timed
LARGE = 400  # pixels of a side above which two images are a batch to be timed


def plan(
    settings: Settings, jobs: Mapping[str, int], train: int, test: int, rates: Mapping[str, Any]
) -> pd.DataFrame:
    """A row a rule: jobs, images that they see in all their passes, hours, and GB on disk.

    Args:
        settings: the data set's.
        jobs: by rule.
        train, test: numbers of images.
        rates: `images_per_second` and `bytes_per_image`, see `rates` in benchmarks/bench.py, or
            `measured_rates`.
    """
    size = rates["bytes_per_image"]
    recognizer, features = settings.recognizer, settings.features
    own = recognizer.backbone is not None
    trained_here = own and recognizer.epochs > 0
    side = settings.images.resize
    # All images at the side of all stages; for a network that is not trained here, the test images.
    at_its_side = (train * trained_here + test) * own * (recognizer.resize != side)
    scale = (recognizer.resize / side) ** 2
    stored = train + test + at_its_side * scale
    arms = jobs.get("directions", 0) / features.shards
    on_disk = (features.on_disk or features.shards) / features.shards
    epochs = settings.classifier.epochs
    network = size.get("network", 0)
    scored = test or train
    # Rule: images in all passes, what is done to them, and bytes that lie on the disk.
    stages = {
        "index": (train + test, "index", 0),
        "images": (train + test + at_its_side, "pack", stored * 3 * side**2),
        "image_shard": (train + test + at_its_side, "pack", stored * size["jpeg"]),
        "similarity": (train, "infer", 0),
        "classifier": (
            jobs.get("classifier", 0) * epochs * train,
            "train_classifier",
            jobs.get("classifier", 0) * network,
        ),
        "plain": (jobs.get("plain", 0) * epochs * train, "train_plain", network),
        "recognizer": (recognizer.epochs * train, "train_recognizer", 0),
        "features": (arms * train, "infer", arms * train * size["features"]),
        "passing_features": (arms * train, "infer", on_disk * train * size["features"]),
        "directions": (arms * train, "directions", 0),
        "masks": (arms * train, "masks", arms * train * size["mask"]),
        "segmenter": (
            jobs.get("segmenter", 0) * settings.segmenter.epochs * train,
            "train_segmenter",
            jobs.get("segmenter", 0) * network,
        ),
        "topk": (scored, "infer_recognizer" if own else "infer", 0),
        "maps": (
            2 * jobs.get("maps", 0) * scored,
            "infer",
            2 * jobs.get("maps", 0) * scored * size["map"],
        ),
        "boxes": (jobs.get("boxes", 0) * scored, "boxes", 0),
        "scores": (jobs.get("scores", 0) * scored, "scores", 0),
        "model": (0, None, 2 * network),  # segmenter and the network that names the class
        "predictions": (
            2 * (train + test),
            "infer",
            (train + test) * size.get("prediction", 0),
        ),
    }
    rows = []
    for rule, number in jobs.items():
        images, done, kept = stages.get(rule, (0, None, 0))
        seconds = images / rates["images_per_second"][done] if images else 0
        rows.append((rule, number, round(images), done or "", seconds / 3600, kept / 1e9))
    table = pd.DataFrame(rows, columns=["rule", "jobs", "images", "rate", "hours", "GB"])
    # In the order of the work.
    order = {rule: place for place, rule in enumerate(stages)}
    return table.sort_values("rule", key=lambda rule: rule.map(order), ignore_index=True)


def measured_rates(settings: Settings, classes: int) -> dict[str, Any]:
    """Rates of this machine for `plan`: of the networks some steps are timed, in a process of
    their own, whose memory and GPU are free again then."""
    with get_context("spawn").Pool(1, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        return pool.apply(_rates, (settings, classes))


def _rates(settings: Settings, classes: int) -> dict[str, Any]:
    use_threads(settings.threads)  # as the jobs do

    from isic.networks.fusion import FusionNetwork

    crop, own = settings.images.crop, settings.recognizer
    network = FusionNetwork(
        settings.classifier.backbone, None, channels=settings.classifier.channels, outputs=classes
    )
    train, infer = network_rates(network, crop, settings.classifier.precision)
    rates = RATES | {"infer": infer, "infer_recognizer": infer, "train_recognizer": train}
    rates |= dict.fromkeys(("train_classifier", "train_plain", "train_segmenter"), train)
    if own.backbone:
        other = FusionNetwork(own.backbone, None, channels=128, outputs=classes)
        rates["train_recognizer"], rates["infer_recognizer"] = network_rates(
            other, own.crop, own.precision
        )
    side = (crop - 1) // 8 + 1  # of a feature map
    parameters = sum(one.numel() for one in network.parameters())
    return {
        "images_per_second": rates,
        "bytes_per_image": {
            "jpeg": 0.2 * settings.images.resize**2,
            "features": 2 * settings.classifier.channels * side**2,
            "mask": 0.012 * settings.images.resize**2,
            "map": 2 * side**2,
            "network": 4 * parameters,
            "prediction": 60_000,  # overlay of 1024 pixels at most, and mask
        },
    }


def network_rates(network: Any, crop: int, precision: Any) -> tuple[float, float]:
    """Images a second in training and in inference, on the GPU if there is one."""
    import torch

    from isic.training.inference import autocast

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = (2 if crop > LARGE else 8) * (4 if device.type == "cuda" else 1)
    images = torch.rand(batch, 3, crop, crop, device=device)
    network.to(device)

    def step() -> None:
        with autocast(device, precision):
            scores = network(images)[1]
        if torch.is_grad_enabled():
            scores.float().square().mean().backward()
        float(scores.detach().sum())  # waits for the GPU

    network.train()
    train = batch * _per_second(step)
    with torch.no_grad():
        network.eval()
        return train, batch * _per_second(step)


def _per_second(step: Callable[[], None]) -> float:
    """How often a second a step is done, the first, which is slow, left out."""
    step()
    begin, done = time.perf_counter(), 0
    while not done or time.perf_counter() - begin < TIMED:
        step()
        done += 1
    return done / (time.perf_counter() - begin)
