"""Speed and memory: ratios of two ways in one run on one machine, and rates for plan.py.

    python benchmarks/bench.py [NAME …] --output benchmarks/MACHINE.json

Names: loader, batches, training, nmf, inference, predict, variants, rates, start, demo; all by
default. They run one after the other, on a machine that does nothing else; figures of the same name
in the output are replaced; one that fails leaves its reason. With SMALL=1 in the environment,
networks and data are small: it is tried, not measured. benchmarks/README.md says what was found.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMALL = bool(os.environ.get("SMALL"))  # seconds on any machine: do the benchmarks run?
BENCHMARKS: dict[str, Callable[[Path], dict]] = {}


def benchmark(function: Callable[[Path], dict]) -> Callable[[Path], dict]:
    """Offer a function of a scratch folder under its name."""
    BENCHMARKS[function.__name__] = function
    return function


def alternately(ways: dict[str, Callable[[], None]], rounds: int = 5) -> dict[str, float]:
    """Median seconds of each way, run in turn, so that a slow spell of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(2 if SMALL else rounds + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if round_:  # the first round warms up
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def in_process(imports: str, code: str, *arguments: object) -> dict[str, float]:
    """Seconds of a Python program's code, its imports not counted, and its peak memory (MiB)."""
    program = f"import sys, json, re, time\n{imports}\nbegin = time.perf_counter()\n{code}"
    # Not getrusage, whose peak a process inherits from the one that started it.
    program += (
        "\nseconds = round(time.perf_counter() - begin, 3)"
        "\npeak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]"
        "\nprint(json.dumps({'seconds': seconds, 'peak_mib': round(int(peak) / 1024)}))"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def sizes() -> dict:
    """Networks and batches that suit the machine: the paper's on a GPU, small ones without."""
    import torch

    if SMALL:
        return {"backbone": "resnet18", "resize": 40, "crop": 33, "batch": 8, "steps": 2}
    if torch.cuda.is_available():
        return {"backbone": "resnet50", "resize": 256, "crop": 224, "batch": 64, "steps": 40}
    return {"backbone": "resnet18", "resize": 112, "crop": 97, "batch": 24, "steps": 15}


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


TRAINING = {
    "learning_rate": 0.001,
    "backbone_learning_rate": 0.001,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "bf16",
    "epochs": 1,
}


def stepper(network, x, y, steps: int, bf16: bool = True, compiled: bool = False) -> Callable:
    """Training steps of a network of ours on one resident batch of images and classes."""
    import torch

    from isic.networks.fusion import logits

    optimizer = torch.optim.SGD(network.parameters(), 0.001, momentum=0.9, nesterov=True)
    model = compile_(network) if compiled else network

    def train() -> None:
        for _ in range(steps):
            with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
                maps = model(x)[1]
            loss = torch.nn.functional.cross_entropy(logits(maps), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synchronize()

    return train


def compile_(network):
    """`torch.compile`; without its own compiler where it is only tried."""
    import torch

    return torch.compile(network, backend="eager" if SMALL else "inductor")


@benchmark
def loader(scratch: Path) -> dict:
    """`isic.training.loop.train` against the same network stepping on one resident batch.

    From pixels in memory, and from JPEGs that are decoded for each batch.
    """
    import contextlib
    import io

    import numpy as np
    import torch

    from isic.data.batches import normalised
    from isic.data.pack import join_shards, load_images, pack_shard
    from isic.data.sources.folder import index_folder
    from isic.method.classifier import train_classifier
    from isic.method.icfs import icfs_loss
    from isic.method.segmenter import segmentation_loss, train_segmenter
    from isic.networks.backbones import parameter_groups
    from isic.networks.fusion import FusionNetwork, image_vectors, logits
    from isic.settings.sections import Classifier, Segmenter
    from isic.training.devices import pick_device
    from isic.training.loop import Job

    size, device = sizes(), pick_device()
    n, crop = size["batch"] * size["steps"], size["crop"]
    rng = np.random.default_rng(0)
    photographs(scratch / "photographs", 12, n + 12, 300)
    index = index_folder(scratch / "photographs", "error", os.cpu_count() or 1)[0][:n]
    pack_shard(index, scratch / "photographs", scratch / "0.h5", size["resize"])
    join_shards([scratch / "0.h5"], scratch / "images.h5")
    encoded = load_images(scratch / "images.h5", index)
    images = encoded[:]
    masks = rng.choice(np.array([0, 1, 255], np.uint8), images.shape[:3])
    per_class = 4
    groups = size["batch"] // per_class
    labels = np.arange(n) // per_class % groups
    similar = np.eye(groups, dtype=bool)
    pairs = torch.from_numpy(similar).to(device)
    within = torch.eye(groups, dtype=torch.bool, device=device)
    y = torch.from_numpy(labels[: size["batch"]]).to(device)
    target = torch.from_numpy(masks[: size["batch"], :crop, :crop]).to(device)
    x = normalised(torch.from_numpy(images[: size["batch"], :crop, :crop]).to(device))

    def classifier_loss(network: FusionNetwork) -> torch.Tensor:
        fused, maps = network(x)
        vectors = image_vectors(fused)
        icfs_loss(vectors.detach(), y, within)  # the curve of 4e
        ce = torch.nn.functional.cross_entropy(logits(maps), y)
        return ce + icfs_loss(vectors, y, pairs)

    def segmenter_loss(network: FusionNetwork) -> torch.Tensor:
        return segmentation_loss(network(x)[1], target)

    def resident(network: FusionNetwork, loss: Callable) -> None:
        optimizer = torch.optim.SGD(
            parameter_groups(network, 0.001, 0.001), momentum=0.9, nesterov=True, weight_decay=1e-4
        )
        network.to(device, memory_format=torch.channels_last).train()
        for _ in range(size["steps"]):
            with torch.autocast(device.type, torch.bfloat16):
                value = loss(network)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        synchronize()

    def whole(train: Callable, *arguments: object) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            train(*arguments, Job(crop, 0))
        synchronize()

    found = {}
    for name, outputs in (("classifier", groups), ("segmenter", 1)):
        network = FusionNetwork(size["backbone"], None, channels=128, outputs=outputs)
        if name == "classifier":
            loss = classifier_loss
            settings = Classifier(classes_per_batch=groups, images_per_class=per_class, **TRAINING)

            def ours(network=network, settings=settings, images=images) -> None:
                whole(train_classifier, network, images, labels, similar, settings)
        else:
            loss = segmenter_loss
            settings = Segmenter(batch_size=size["batch"], **TRAINING)

            def ours(network=network, settings=settings, images=images) -> None:
                whole(train_segmenter, network, images, masks, settings)

        seconds = alternately(
            {
                "resident": lambda network=network, loss=loss: resident(network, loss),
                "train": ours,
                "train_jpeg": lambda ours=ours: ours(images=encoded),
            },
            rounds=7,
        )
        found[name] = {
            "images_per_second_resident": round(n / seconds["resident"], 1),
            "images_per_second_train": round(n / seconds["train"], 1),
            "images_per_second_train_jpeg": round(n / seconds["train_jpeg"], 1),
            "overhead": round(seconds["train"] / seconds["resident"] - 1, 4),
            "overhead_jpeg": round(seconds["train_jpeg"] / seconds["resident"] - 1, 4),
        }
    return {**size, **found}


def photographs(folder: Path, classes: int, images: int, side: int) -> None:
    """Generated JPEGs of usual size in class folders: folder/train/CLASS/*.jpg."""
    from isic.data.sources.birds.generate import generate

    species = 3
    generate(
        folder,
        genera=classes // species,
        species=species,
        train_images=images // classes,
        test_images=0,
        size=side,
        seed=0,
    )


def usual_loader(folder: Path, resize: int, crop: int, batch: int):
    """torchvision's ImageFolder with the paper's transforms (4.1) and torch's DataLoader."""
    import torch
    from torchvision import datasets, transforms

    from isic.data.batches import MEAN, STD

    transform = transforms.Compose(
        [
            transforms.Resize((resize, resize)),
            transforms.RandomCrop(crop),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return torch.utils.data.DataLoader(
        datasets.ImageFolder(folder, transform),
        batch_size=batch,
        shuffle=True,
        num_workers=os.cpu_count() or 1,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=True,
    )


def packed(folder: Path, resize: int):
    """The same images as the workflow keeps them, and how long it took to decode them, once."""
    from isic.data.pack import load_images, pack
    from isic.data.sources.folder import index_folder

    begin = time.perf_counter()
    index = index_folder(folder, "error", workers=os.cpu_count() or 1)[0]
    output = folder.with_name(f"{folder.name}-{resize}.h5")
    pack(index, folder, output, resize, os.cpu_count() or 1)
    return index, load_images(output, index), time.perf_counter() - begin


@benchmark
def batches(scratch: Path) -> dict:
    """Batches made ready, without a network: ours against ImageFolder + DataLoader."""
    import numpy as np
    import torch

    from isic.data.batches import cut_out, normalised, random_windows, shuffled
    from isic.training.devices import pick_device

    n, resize, crop, batch = 480, 256, 224, 32
    photographs(scratch / "photographs", 12, n, 500)
    _, images, once = packed(scratch / "photographs", resize)
    device = pick_device()
    stored = torch.from_numpy(images).to(device)
    usual = usual_loader(scratch / "photographs" / "train", resize, crop, batch)
    rng = np.random.default_rng(0)

    def ours() -> None:
        for rows in shuffled(n, batch, rng):
            window = random_windows(len(rows), resize, crop, rng)
            normalised(cut_out(stored, rows, *window, crop))
        synchronize()

    def theirs() -> None:
        for x, _ in usual:
            x.to(device, memory_format=torch.channels_last)
        synchronize()

    seconds = alternately({"isic": ours, "imagefolder": theirs})
    return {
        "images": n,
        "stored": "JPEG, longer side 500",
        "resize": resize,
        "crop": crop,
        "images_per_second_isic": round(n / seconds["isic"], 1),
        "images_per_second_imagefolder": round(n / seconds["imagefolder"], 1),
        "ratio": round(seconds["imagefolder"] / seconds["isic"], 2),
        "decoded_once_images_per_second": round(n / once, 1),
    }


@benchmark
def training(scratch: Path) -> dict:
    """A whole epoch of the recognizer, images from disk included, against the usual loop."""
    import contextlib
    import io

    import torch

    from isic.data.index import class_ids
    from isic.method.recognizer import train_recognizer
    from isic.networks.fusion import PlainNetwork, logits
    from isic.settings.sections import Plain
    from isic.training.devices import pick_device
    from isic.training.loop import Job

    size, device, classes = sizes(), pick_device(), 12
    n = 480 if device.type == "cpu" else 6000
    photographs(scratch / "photographs", classes, n, 500)
    index, images, once = packed(scratch / "photographs", size["resize"])
    labels = class_ids(index)
    usual = usual_loader(
        scratch / "photographs" / "train", size["resize"], size["crop"], size["batch"]
    )

    def ours() -> None:
        network = PlainNetwork(size["backbone"], None, outputs=classes)
        with contextlib.redirect_stdout(io.StringIO()):
            settings = Plain(batch_size=size["batch"], **TRAINING)
            train_recognizer(network, images, labels, settings, Job(size["crop"], 0))
        synchronize()

    def theirs() -> None:
        network = PlainNetwork(size["backbone"], None, outputs=classes)
        network.to(device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(
            network.parameters(), 0.001, momentum=0.9, nesterov=True, weight_decay=1e-4
        )
        for x, y in usual:
            x = x.to(device, memory_format=torch.channels_last, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16):
                scores = logits(network(x)[1])
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(scores, y.to(device)).backward()
            optimizer.step()
        synchronize()

    seconds = alternately({"isic": ours, "imagefolder": theirs}, rounds=3)
    return {
        **size,
        "images": n,
        "images_per_second_isic": round(n / seconds["isic"], 1),
        "images_per_second_imagefolder": round(n / seconds["imagefolder"], 1),
        "ratio": round(seconds["imagefolder"] / seconds["isic"], 2),
        "seconds_to_decode_once": round(once, 2),
        "epochs_until_decoding_is_paid": round(
            once / (seconds["imagefolder"] - seconds["isic"]), 2
        ),
    }


OURS = "import h5py, numpy as np; from isic.method.nmf import class_direction"
OUR_CODE = """
with h5py.File(sys.argv[1]) as file:
    v = class_direction(file["features"], np.arange(int(sys.argv[2])), "gram", 1.0)
np.save(sys.argv[3], v)
"""
SKLEARN = "import h5py, numpy as np; from sklearn.decomposition import NMF"
SKLEARN_CODE = """
with h5py.File(sys.argv[1]) as file:
    theta = file["features"][:int(sys.argv[2])].reshape(-1, file["features"].shape[-1])
v = NMF(1).fit(theta.astype(np.float32)).components_[0]
np.save(sys.argv[3], v)
"""


@benchmark
def nmf(scratch: Path) -> dict:
    """The direction of one class from the same file: ours against scikit-learn's default NMF."""
    import h5py
    import numpy as np

    rng = np.random.default_rng(0)
    path = scratch / "features.h5"
    with h5py.File(path, "w") as file:
        counts = (30,) if SMALL else (30, 300, 1300)
        shape = (counts[-1], 28, 28, 128)
        store = file.create_dataset("features", shape, np.float16, chunks=(1, *shape[1:]))
        mean = rng.lognormal(0, 1, 128)
        for row in range(shape[0]):  # products of three rectified maps, as the fusion gives them
            maps = np.maximum(rng.standard_normal((3, *shape[1:]), np.float32) + 0.3, 0)
            store[row] = np.minimum(maps.prod(0) * mean, 60_000)
    found = {}
    for images in counts:
        ours, theirs = [], []
        for _ in range(3):  # in turn
            ours.append(in_process(OURS, OUR_CODE, path, images, scratch / "ours.npy"))
            theirs.append(in_process(SKLEARN, SKLEARN_CODE, path, images, scratch / "theirs.npy"))
        ours, theirs = (sorted(runs, key=lambda run: run["seconds"])[1] for runs in (ours, theirs))
        a, b = np.load(scratch / "ours.npy"), np.load(scratch / "theirs.npy")
        found[f"T={images}"] = {
            "isic": ours,
            "sklearn": theirs,
            "ratio": round(theirs["seconds"] / ours["seconds"], 2),
            "cosine": round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 6),
        }
    return {"map": "28 × 28 × 128, float16", **found}


@benchmark
def inference(scratch: Path) -> dict:
    """`fused_maps` on images in memory against the network on a resident batch."""
    import contextlib
    import io

    import numpy as np
    import torch

    from isic.data.batches import normalised
    from isic.localization.views import whole
    from isic.method.features import fused_maps
    from isic.networks.fusion import FusionNetwork
    from isic.training.devices import pick_device

    size, device, batch = sizes(), pick_device(), 32
    n = 10 * batch if device.type == "cpu" else 100 * batch
    shape = (n, size["resize"], size["resize"], 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    network = FusionNetwork(size["backbone"], None, channels=128, outputs=10).eval()
    network.to(device, memory_format=torch.channels_last)
    x = whole(normalised(torch.from_numpy(images[:batch]).to(device)), size["crop"])

    @torch.inference_mode()
    def bare() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            for _ in range(n // batch):
                network.features(x)
        synchronize()

    def ours() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            for _ in fused_maps(network, images, size["crop"], precision="bf16"):
                pass

    seconds = alternately({"bare": bare, "isic": ours})
    return {
        "backbone": size["backbone"],
        "side": size["crop"],
        "images_per_second_bare": round(n / seconds["bare"], 1),
        "images_per_second_isic": round(n / seconds["isic"], 1),
        "overhead": round(seconds["isic"] / seconds["bare"] - 1, 4),
    }


@benchmark
def predict(scratch: Path) -> dict:
    """`isic.Localizer` from JPEG files to boxes against the segmenter on a resident batch."""
    import contextlib
    import io

    import torch

    from isic import Localizer
    from isic.networks.files import Model
    from isic.networks.fusion import FusionNetwork
    from isic.product.predict import PredictOptions
    from isic.product.predict import predict as write
    from isic.training.devices import pick_device

    device, batch = pick_device(), 32
    n = 6 * batch if device.type == "cpu" else 60 * batch
    photographs(scratch / "photographs", 3, n, 500)
    files = sorted((scratch / "photographs/train").rglob("*.jpg"))
    ids = [str(path.relative_to(scratch)) for path in files]
    found = {}
    for backbone, resize, side in (("resnet50", 256, 225), ("mobilenet_v2", 192, 161)):
        network = FusionNetwork(backbone, None, channels=128, outputs=1).eval()
        settings = {"resize": resize, "crop": side, "threshold": 0.5, "precision": "bf16"}
        localizer = Localizer(Model(network, None, settings, [], {}), device)
        x = torch.rand(batch, 3, side, side, device=device)
        x = x.contiguous(memory_format=torch.channels_last)

        @torch.inference_mode()
        def bare(network=network, x=x) -> None:
            with torch.autocast(device.type, torch.bfloat16):
                for _ in range(len(files) // batch):
                    network(x)
            synchronize()

        def boxes(localizer=localizer) -> None:
            for image in localizer.stream(files):
                image.boxes  # noqa: B018, the object is looked for when it is asked for

        def masks(localizer=localizer) -> None:
            with contextlib.redirect_stderr(io.StringIO()):
                write(localizer, scratch, ids, scratch / "out", PredictOptions(overlays=False))

        seconds = alternately({"bare": bare, "boxes": boxes, "masks": masks})
        rate = {name: round(len(files) / value, 1) for name, value in seconds.items()}
        found[backbone] = {"side": side, "images_per_second": rate}
        found[backbone]["boxes_over_bare"] = round(rate["boxes"] / rate["bare"], 3)
    return {"files": len(files), "jpeg": "500 pixels", **found}


@benchmark
def rates(scratch: Path) -> dict:
    """What each stage does in a second at the paper's sizes (4.1), for `plan.py`.

    ResNet50 at 224², images of 500 pixels kept as JPEG at 256², EfficientNet-B7 at 600²; random
    weights, which cost what trained ones do. The networks' rates are those of whole trainings, with
    their first step, which is slow: the true ones are a little higher.
    """
    import h5py
    import numpy as np
    import pandas as pd
    import torch

    from isic.data.pack import join_shards, load_images, pack_shard
    from isic.data.sources.folder import index_folder
    from isic.evaluation.scores import score
    from isic.localization.boxes import extract
    from isic.method.classifier import train_classifier
    from isic.method.features import fused_maps, write_features
    from isic.method.masks import write_masks
    from isic.method.nmf import class_direction
    from isic.method.recognizer import best_classes, train_recognizer
    from isic.method.segmenter import train_segmenter
    from isic.networks.fusion import FusionNetwork, PlainNetwork
    from isic.settings.sections import Classifier, Masks, Plain, Segmenter
    from isic.storage.hdf5 import new_hdf5
    from isic.training.loop import Job

    cores, gpu = os.cpu_count() or 1, torch.cuda.is_available()
    classes, n = 12, 2880 if gpu else 192
    per_second: dict[str, float] = {}

    def timed(name: str, images: int, function: Callable[[], object]) -> None:
        begin = time.perf_counter()
        function()
        synchronize()
        per_second[name] = round(images / (time.perf_counter() - begin), 2)

    root, shard, packed = scratch / "photographs", scratch / "0.h5", scratch / "images~256.h5"
    photographs(root, classes, n, 500)
    timed("index", n, lambda: index_folder(root, "error", cores))
    index = index_folder(root, "error", cores)[0]
    timed("pack", n, lambda: pack_shard(index, root, shard, 256, cores))
    join_shards([shard], packed)
    images = load_images(packed, index)
    labels = np.arange(n) % classes

    torch.manual_seed(0)
    network = FusionNetwork("resnet50", None, channels=128, outputs=classes)
    similar = np.eye(classes, dtype=bool)
    own, job = Classifier(classes_per_batch=classes, images_per_class=5, **TRAINING), Job(224, 0)
    classifier = (network, images, labels, similar, own, job)
    timed("train_classifier", n, lambda: train_classifier(*classifier))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    settings = Plain(**TRAINING)
    plain = PlainNetwork("resnet50", None, outputs=classes)
    timed("train_plain", n, lambda: train_recognizer(plain, images, labels, settings, job))

    features = scratch / "features.h5"
    ids = index["image_id"].to_numpy()

    def dump() -> None:
        maps = fused_maps(network.eval(), images, 224, precision="bf16")
        write_features(features, maps, ids, labels, {})

    timed("infer", n, dump)
    masks, directions = scratch / "masks.h5", scratch / "directions.h5"
    found = np.zeros((classes, 128))

    def decompose(stored: h5py.Dataset) -> None:
        for c in range(classes):
            found[c] = class_direction(stored, np.flatnonzero(labels == c), "gram", 1.0)

    with h5py.File(features) as file:
        timed("directions", n, lambda: decompose(file["features"]))
        with new_hdf5(directions, {"compress": 1.0}) as made:
            made["label"], made["direction"] = np.arange(classes), found
        with h5py.File(directions) as made:
            timed("masks", n, lambda: write_masks(masks, images, file, made, Masks(), {}))
    with h5py.File(masks) as file:
        targets = file["mask"][:]
    one = FusionNetwork("resnet50", None, channels=128, outputs=1)
    segmenter = (one, images, targets, Segmenter(**TRAINING), job)
    timed("train_segmenter", n, lambda: train_segmenter(*segmenter))

    few = 64 if gpu else 4
    large = np.random.default_rng(0).integers(0, 256, (few, 600, 600, 3), np.uint8)
    b7 = PlainNetwork("efficientnet_b7", None, outputs=classes)
    own = Plain(batch_size=16 if gpu else 2, **TRAINING)
    recognizer = (b7, large, labels[:few], own, Job(600, 0))
    timed("train_recognizer", few, lambda: train_recognizer(*recognizer))
    b7.eval()
    timed("infer_recognizer", few, lambda: best_classes(b7, large, 5, crop=600, precision="bf16"))

    # Evaluation, on blots of the size of objects.
    tested = 2000
    ids = np.array([f"{i}.JPEG" for i in range(tested)], object)
    table = pd.DataFrame({"image_id": ids, "split": "test", "class": "a"})
    table = table.assign(width=500, height=375, digest="")
    y, x = np.mgrid[:28, :28]
    centre = np.random.default_rng(0).integers(6, 22, (tested, 2))
    square = (y - centre[:, :1, None]) ** 2 + (x - centre[:, 1:, None]) ** 2
    maps = scratch / "maps.h5"
    attributes = {"resize": 256, "crop": 224, "units": "sigmoid", "kind": "segmenter"}
    with new_hdf5(maps, {**attributes, "relative": False}) as file:
        file["image_id"] = ids
        file["full"] = file["crop"] = np.exp(-square / 40).astype(np.float16)
    timed("boxes", tested, lambda: extract(table, maps, 0.5))
    boxes, crop_boxes = extract(table, maps, 0.5)
    truth = pd.DataFrame({"image_id": ids, "x0": 50.0, "y0": 60.0, "x1": 300.0, "y1": 250.0})
    topk = pd.DataFrame({"image_id": ids, "class1": "a"})
    heading = {"model": "ISIC", "backbone": "resnet50", "threshold": "0.5", "maps": maps}
    timed("scores", tested, lambda: score(table, truth, boxes, crop_boxes, topk, **heading))

    rows = 1_000_000
    large_index = scratch / "index.csv"
    names = [f"train/n{i // 1300:08}/n{i // 1300:08}_{i}.JPEG" for i in range(rows)]
    pd.DataFrame({"image_id": names, "split": "train", "class": [n[6:15] for n in names]}).assign(
        width=500, height=375, digest="0123456789abcdef"
    ).to_csv(large_index, index=False)
    program = "read_index(sys.argv[1])"
    read = in_process("from isic.data.index import read_index", program, large_index)
    nothing = in_process("from isic.data.index import read_index", "pass")
    size = 28 * 28 * 128 * 2
    return {
        "images_per_second": per_second,
        "bytes_per_image": {
            "jpeg": round(shard.stat().st_size / n),
            "features": size,
            "mask": round(masks.stat().st_size / n),
            "map": 28 * 28 * 2,
        },
        "peak_mib_of_training": round(peak),
        "memory_of_an_index": {
            "rows": rows,
            "mib": read["peak_mib"] - nothing["peak_mib"],
            "seconds": read["seconds"],
        },
    }


@benchmark
def variants(scratch: Path) -> dict:
    """Training steps on one resident batch: what precision, memory format and compiling bring."""
    import torch

    from isic.networks.fusion import FusionNetwork
    from isic.training.devices import pick_device

    size, device = sizes(), pick_device()
    shape = (size["batch"], 3, size["crop"], size["crop"])
    y = torch.arange(size["batch"], device=device) % 10

    def steps(form: torch.memory_format, bf16: bool, compiled: bool) -> Callable[[], None]:
        torch.manual_seed(0)
        network = FusionNetwork(size["backbone"], None, channels=128, outputs=10).train()
        network.to(device, memory_format=form)
        x = torch.randn(shape, device=device).to(memory_format=form)
        return stepper(network, x, y, size["steps"], bf16, compiled)

    plain, last = torch.contiguous_format, torch.channels_last
    ways = {
        "float32": steps(plain, False, False),
        "float32, channels last": steps(last, False, False),
        "bf16": steps(plain, True, False),
        "bf16, channels last": steps(last, True, False),
        "bf16, channels last, compiled": steps(last, True, True),
    }
    begin = time.perf_counter()
    ways["bf16, channels last, compiled"]()
    compiling = time.perf_counter() - begin
    seconds = alternately(ways)
    n = size["batch"] * size["steps"]
    return {
        **size,
        "images_per_second": {name: round(n / value, 1) for name, value in seconds.items()},
        "seconds_to_compile": round(compiling - seconds["bf16, channels last, compiled"], 1),
    }


def snakemake(folder: Path, *arguments: str) -> str:
    """Run the workflow in a folder of its own; what it printed."""
    command = [str(Path(sys.executable).with_name("snakemake"))]
    command += ["--cores", str(os.cpu_count()), "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), "--directory", str(folder)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def job_seconds(results: Path) -> dict[Path, float]:
    """What each job of a data set's run took, by the file in which Snakemake keeps it."""
    found = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        header, row = (line.split("\t") for line in path.read_text().splitlines()[:2])
        found[path] = float(dict(zip(header, row, strict=True))["s"])
    return found


@benchmark
def start(scratch: Path) -> dict:
    """A `snakemake` start that finds nothing to do, after a real run to Table 1."""
    import numpy as np
    from PIL import Image

    found = {}
    rng = np.random.default_rng(0)
    for classes in (200, 1000):
        folder = scratch / str(classes)
        for split, c in ((s, c) for s in ("train", "test") for c in range(classes)):
            place = folder / "data" / split / f"class{c:04}"
            place.mkdir(parents=True)
            for number in range(2 if split == "train" else 1):
                image = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
                image.save(place / f"{number}.jpg")
        (folder / "many.yaml").write_text(
            "datasets:\n  many:\n    source: {type: folder, root: data}\n"
            "    images: {resize: 40, crop: 33}\n"
            "    classifier: {backbone: resnet18, weights: none, batches: random, epochs: 1}\n"
            "    segmenter: {backbone: resnet18, weights: none, epochs: 1}\n"
        )
        target = ("results/many/table1.csv", "--configfile", str(folder / "many.yaml"))
        snakemake(folder, *target)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            if "Nothing to be done" not in snakemake(folder, *target):
                raise SystemExit(f"{classes} classes: the second run found something to do")
            times.append(time.perf_counter() - begin)
        found[f"{classes} classes"] = {"seconds": round(statistics.median(times), 2)}
    return found


def seconds_of_imports(command: str) -> float:
    """What an `isic` command takes until it begins to work: Python, and what it imports."""
    from isic import cli

    function = ast.parse(inspect.getsource(getattr(cli, command.replace("-", "_")))).body[0]
    imports = [node for node in function.body if isinstance(node, ast.Import | ast.ImportFrom)]
    program = "\n".join(map(ast.unparse, [*imports, ast.parse("import isic.cli")]))
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


@benchmark
def demo(scratch: Path) -> dict:
    """`make demo` without the installation: what of its wall time goes into starting things.

    Snakemake's part is the time in which no job ran; that of processes the time until each command
    has imported what it needs, as if no two had done so side by side, so at most that.
    """
    began, begin = time.time(), time.perf_counter()
    output = snakemake(scratch)
    wall = time.perf_counter() - begin
    spans = []
    for path, seconds in job_seconds(scratch / "results/birds").items():
        end = path.stat().st_mtime - began
        spans.append((end - seconds, end))
    busy, last = 0.0, 0.0
    for first, end in sorted(spans):
        busy += max(0.0, end - max(first, last))
        last = max(last, end)
    commands = Counter(re.findall(r"^Shell command: .*?isic ([a-z0-9-]+)", output, re.M))
    each = {command: seconds_of_imports(command) for command in sorted(commands)}
    imports = sum(each[command] * number for command, number in commands.items())
    return {
        "wall_seconds": round(wall, 1),
        "jobs": len(spans),
        "seconds_without_a_job": round(wall - busy, 1),
        "seconds_of_imports": round(imports, 1),
        "by_command": {c: [commands[c], round(seconds, 2)] for c, seconds in each.items()},
        "share_of_starts_at_most": round((wall - busy + imports) / wall, 3),
    }


def machine() -> dict:
    """What the figures were measured on."""
    import torch

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        name = found[1] if found else name
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "snakemake")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the isic command sets it
    failed: list[str] = []
    found = json.loads(chosen.output.read_text()) if chosen.output.exists() else {}
    for name in chosen.names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                figures = BENCHMARKS[name](Path(scratch))
            except (Exception, SystemExit) as error:  # the others go on
                figures = {"error": f"{type(error).__name__}: {str(error).strip()}"[-2000:]}
                failed.append(name)
        found |= {"machine": machine(), name: figures}
        print(name, json.dumps(figures, indent=1, ensure_ascii=False), flush=True)
        chosen.output.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
