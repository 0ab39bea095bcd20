"""ImageNet's layout and number of classes, out of generated images: ImageNet cannot be had freely.

    python benchmarks/imagenet_size.py FOLDER                            # make the data set
    python benchmarks/imagenet_size.py FOLDER results/imagenet/table1.csv  # and run the workflow

1,000 classes, two training images and one validation image each, as ILSVRC2012_img_train,
ILSVRC2012_img_val and ILSVRC2012_bbox_val_v3 unpack. The workflow runs on it from config.yaml with
no change but what the files given as --settings say; torchvision's weights are replaced by
random ones where results/weights/ in FOLDER has none. The figures in the tables mean nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
from cub_size import random_weights, workflow

from isic.data.sources.birds.generate import generate

GENERA, SPECIES = 100, 10  # 1,000 classes


def make(root: Path, train: int = 2, val: int = 1, size: int = 500) -> None:
    """Write the data set: `train` and `val` images a class, of `size` pixels on the longer side."""
    work = root.with_name(f".{root.name}.making")
    shutil.rmtree(work, ignore_errors=True)
    generate(
        work / "birds",
        genera=GENERA,
        species=SPECIES,
        train_images=train,
        test_images=val,
        size=size,
        seed=0,
    )
    rows = pd.read_csv(work / "birds/boxes.csv")
    wnids = {name: f"n{i:08}" for i, name in enumerate(sorted(rows["class"].unique()), 1440764)}
    # The validation images' numbers say nothing of their classes.
    for number, row in enumerate(rows.sample(frac=1, random_state=0).itertuples(), 1):
        name, wnid = row[2], wnids[row[2]]
        image = work / "birds" / row.split / name / row.file
        if row.split == "train":
            place = work / f"set/train/{wnid}/{wnid}_{number}.JPEG"
        else:
            place = work / f"set/val/ILSVRC2012_val_{number:08}.JPEG"
            xml = work / f"set/bbox/val/{place.stem}.xml"
            xml.parent.mkdir(parents=True, exist_ok=True)
            xml.write_text(
                f"<annotation><size><width>{row.width}</width><height>{row.height}</height></size>"
                f"<object><name>{wnid}</name><bndbox><xmin>{row.xmin}</xmin><ymin>{row.ymin}</ymin>"
                f"<xmax>{row.xmax}</xmax><ymax>{row.ymax}</ymax></bndbox></object></annotation>\n"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        image.rename(place)
    lines = "".join(f"{wnid} {name}\n" for name, wnid in wnids.items())
    (work / "set/LOC_synset_mapping.txt").write_text(lines)
    (work / "set").rename(root)
    shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data set and the run are put")
    parser.add_argument("targets", nargs="*", help="what the workflow is to make")
    parser.add_argument("--train", type=int, default=2, help="training images a class")
    parser.add_argument("--val", type=int, default=1, help="validation images a class")
    parser.add_argument("--size", type=int, default=500, help="longer side of an image, pixels")
    parser.add_argument("--settings", type=Path, nargs="*", default=[], help="further settings")
    parser.add_argument("--cores", default="all")
    chosen, more = parser.parse_known_intermixed_args()  # further options are Snakemake's
    run = chosen.folder.resolve() / "run"
    root = run / "data/imagenet"  # where config.yaml looks for it
    begin = time.perf_counter()
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        make(root, chosen.train, chosen.val, chosen.size)
    print(f"{root}: {time.perf_counter() - begin:.0f} s")
    if not chosen.targets:
        return
    random_weights(run / "results/weights")
    sys.exit(workflow(run, chosen, more))


if __name__ == "__main__":
    main()
