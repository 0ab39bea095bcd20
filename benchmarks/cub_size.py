"""CUB-200-2011's size and layout, out of generated images: for runs where CUB itself cannot be had.

    python benchmarks/cub_size.py FOLDER                       # make the archive
    python benchmarks/cub_size.py FOLDER results/cub/table1.csv  # and run the workflow on it

The archive has 200 classes, 5,994 training and 5,794 test images, and the files of the official
one that are read. It is served on the loopback interface; the workflow downloads, checks, unpacks
and runs it from config.yaml with only the address and the checksum changed. Torchvision's weights
are replaced by random ones where results/weights/ in FOLDER has none: the times are those of a real
run, the figures in the tables mean nothing.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pandas as pd

from isic.data.sources.birds.generate import generate

ROOT = Path(__file__).resolve().parents[1]
NAME = "CUB_200_2011"
GENERA, SPECIES = 40, 5  # 200 classes
TRAIN, TEST = 5994, 5794
WEIGHTS = {
    "ResNet50_Weights.IMAGENET1K_V1": "resnet50",
    "EfficientNet_B7_Weights.IMAGENET1K_V1": "efficientnet_b7",
}


def make(archive: Path, size: int) -> None:
    """Write the archive: images of `size` pixels on the longer side, CUB's are of 500."""
    work = archive.with_name("making")
    birds, base = work / "birds", work / NAME
    each = (-(-TRAIN // (GENERA * SPECIES)), -(-TEST // (GENERA * SPECIES)))
    generate(
        birds,
        genera=GENERA,
        species=SPECIES,
        train_images=each[0],
        test_images=each[1],
        size=size,
        seed=0,
    )
    boxes = pd.read_csv(birds / "boxes.csv")
    train, test = (boxes[boxes["split"] == split] for split in ("train", "test"))
    rows = pd.concat([train.iloc[:TRAIN], test.iloc[:TEST]])
    names = sorted(rows["class"].unique())
    numbers = {name: number for number, name in enumerate(names, 1)}
    rows = rows.assign(number=rows["class"].map(numbers)).sort_values(["number", "split", "file"])
    lines: dict[str, list[str]] = {
        "classes.txt": [f"{number} {number:03}.{name}" for name, number in numbers.items()],
        "images.txt": [],
        "image_class_labels.txt": [],
        "train_test_split.txt": [],
        "bounding_boxes.txt": [],
    }
    for image, row in enumerate(rows.itertuples(), 1):
        folder = f"{row.number:03}.{row[2]}"  # row[2]: the class
        file = f"{row[2]}_{row.split}_{row.file}"
        place = base / "images" / folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        (birds / row.split / row[2] / row.file).rename(place)
        box = (row.xmin, row.ymin, row.xmax - row.xmin, row.ymax - row.ymin)
        lines["images.txt"].append(f"{image} {folder}/{file}")
        lines["image_class_labels.txt"].append(f"{image} {row.number}")
        lines["train_test_split.txt"].append(f"{image} {int(row.split == 'train')}")
        lines["bounding_boxes.txt"].append(" ".join([str(image), *(f"{v:.1f}" for v in box)]))
    for name, content in lines.items():
        (base / name).write_text("\n".join(content) + "\n")
    part = archive.with_suffix(".part")
    with tarfile.open(part, "w:gz", compresslevel=1) as tar:
        tar.add(base, NAME)
    part.rename(archive)
    shutil.rmtree(work)


def serve(folder: Path) -> str:
    """Serve a folder on a free port of the loopback interface; its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def random_weights(folder: Path) -> None:
    """Stand-ins for the weights that config.yaml names for cub, where they are not there."""
    import torch
    from torchvision import models

    folder.mkdir(parents=True, exist_ok=True)
    for name, network in WEIGHTS.items():
        if not (folder / f"{name}.pth").exists():
            torch.manual_seed(0)
            torch.save(models.get_model(network).state_dict(), folder / f"{name}.pth")


def workflow(folder: Path, chosen: argparse.Namespace, more: list[str]) -> int:
    """Run the workflow in a folder, with `targets`, `settings` and `cores`; its exit status."""
    begin = time.perf_counter()
    command = [Path(sys.executable).with_name("snakemake"), "--cores", chosen.cores, *more]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", folder, *chosen.targets]
    if chosen.settings:
        command += ["--configfile", *(path.resolve() for path in chosen.settings)]
    done = subprocess.run([str(word) for word in command], check=False)
    print(f"{' '.join(chosen.targets)}: {time.perf_counter() - begin:.0f} s")
    return done.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the archive and the run are put")
    parser.add_argument("targets", nargs="*", help="what the workflow is to make")
    parser.add_argument("--size", type=int, default=500, help="longer side of an image, pixels")
    parser.add_argument("--settings", type=Path, nargs="*", default=[], help="further settings")
    parser.add_argument("--cores", default="all")
    chosen, more = parser.parse_known_intermixed_args()  # further options are Snakemake's
    served = chosen.folder.resolve() / "served"
    served.mkdir(parents=True, exist_ok=True)
    archive = served / f"{NAME}.tgz"
    begin = time.perf_counter()
    if not archive.exists():
        make(archive, chosen.size)
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB, {time.perf_counter() - begin:.0f} s")
    if not chosen.targets:
        return
    run = chosen.folder.resolve() / "run"
    random_weights(run / "results/weights")
    source = f"{{url: {serve(served)}/{archive.name}, checksum: sha256:{digest}}}"
    (run / "source.yaml").write_text(f"datasets: {{cub: {{source: {source}}}}}\n")
    chosen.settings = [run / "source.yaml", *chosen.settings]
    sys.exit(workflow(run, chosen, more))


if __name__ == "__main__":
    main()
