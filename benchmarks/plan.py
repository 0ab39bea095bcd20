"""What a data set of a given size will take: jobs, hours, disk and memory, from measured rates.

    python benchmarks/bench.py rates --output MACHINE.json      # on the machine that is to do it
    python benchmarks/plan.py imagenet --rates MACHINE.json
    python benchmarks/plan.py cub --images 5994 5794 --rates MACHINE.json

The jobs are those that a dry run of the workflow counts, with config.yaml and further --configfile.
`--rate train_classifier=900` puts another rate (images/s) in the place of a measured one, to see
what it would mean; the table then says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from isic.product.plan import plan
from isic.product.workflow import job_counts
from isic.settings.check import check, merge
from isic.settings.sections import Settings

ROOT = Path(__file__).resolve().parents[1]
IMAGENET = (1_281_167, 50_000)  # training and validation images


def count_jobs(dataset: str, settings: Settings, configfiles: list[Path], target: str) -> dict:
    """Jobs by rule of a run from nothing, in a folder where the data set's folder is empty."""
    with tempfile.TemporaryDirectory() as folder:
        if root := settings.source.root:
            Path(folder, root).mkdir(parents=True, exist_ok=True)
        command = [Path(sys.executable).with_name("snakemake"), "--dry-run", "--cores", "1"]
        command += ["--snakefile", ROOT / "Snakefile", "--directory", folder]
        command += [f"results/{dataset}/{target}"]
        if configfiles:
            command += ["--configfile", *(path.resolve() for path in configfiles)]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(said)
    return job_counts(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="a data set of the configuration, such as imagenet")
    parser.add_argument("--rates", type=Path, required=True, help="JSON file of bench.py")
    parser.add_argument("--images", type=int, nargs=2, default=IMAGENET, metavar=("TRAIN", "TEST"))
    parser.add_argument("--target", default="table1.csv")
    parser.add_argument("--rate", action="append", default=[], metavar="NAME=IMAGES_PER_SECOND")
    parser.add_argument("--configfile", type=Path, nargs="*", default=[])
    chosen = parser.parse_args()
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for path in chosen.configfile:
        config = merge(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    settings = check(config)[chosen.dataset]
    measured = json.loads(chosen.rates.read_text(encoding="utf-8"))
    rates, machine = measured["rates"], measured["machine"]
    for word in chosen.rate:
        name, _, value = word.partition("=")
        if name not in rates["images_per_second"]:
            parser.error(f"no rate {name}; there are {', '.join(rates['images_per_second'])}")
        rates["images_per_second"][name] = float(value)
    jobs = count_jobs(chosen.dataset, settings, chosen.configfile, chosen.target)
    train, test = chosen.images
    table = plan(settings, jobs, train, test, rates)
    shown = table.assign(
        hours=table["hours"].map("{:.1f}".format), GB=table["GB"].map("{:.1f}".format)
    )
    print(f"{chosen.dataset}/{chosen.target}: {train:,} training and {test:,} test images")
    print(f"rates: {machine['processor']}, {machine['cores']} cores, GPU: {machine['gpu']}")
    if chosen.rate:
        print(f"not measured but given: {', '.join(chosen.rate)}")
    print(shown.to_string(index=False))
    print(f"in all: {table['jobs'].sum()} jobs, {table['hours'].sum():.0f} hours of that machine")
    print(f"disk: {table['GB'].sum():.0f} GB at most, besides the images themselves")
    rows = rates["memory_of_an_index"]
    each = rows["mib"] / rows["rows"] * (train + test)
    print(
        f"memory: {rates['peak_mib_of_training']} + {each:.0f} MiB for a training and the index;",
        end=" ",
    )
    if settings.images.store == "jpeg":
        shard = (train + test) / settings.images.shards * rates["bytes_per_image"]["jpeg"]
        print(f"{shard / 2**20:.0f} MiB for a shard's JPEGs while it is written")
    else:
        pixels = (train + test) * 3 * settings.images.resize**2
        print(f"{pixels / 2**30:.1f} GiB for the pixels, on the GPU or beside it")


if __name__ == "__main__":
    main()
