"""isic run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import click

from isic.commands.options import File
from isic.commands.product.init import check_root, look
from isic.errors import InputError
from isic.process import INTERRUPTED
from isic.settings.declare import Setting

if TYPE_CHECKING:
    import pandas as pd

    from isic.settings.sections import Settings

SETTINGS = "settings.yaml"
TRAININGS = {"classifier", "segmenter", "plain", "recognizer"}


def run(
    photos: Annotated[
        str, Setting("Folder of class folders, CLASS/*.jpg, or a data set: birds, cub, …")
    ],
    snakemake: Annotated[tuple[str, ...], Setting("After --: what snakemake is to get.")] = (),
    *,
    output: Annotated[
        Path | None,
        File("Folder to write. [default: PHOTOS-boxes; of a data set this one]", writes=True),
    ] = None,
    to: Annotated[
        tuple[Literal["coco", "voc", "yolo"], ...] | None,
        Setting("export to these formats, too, by commas"),
    ] = None,
    table: Annotated[
        int | None, Setting("make this table of the paper  [of a data set: 1]", least=1, most=4)
    ] = None,
    backbone: Annotated[str | None, Setting("as for isic init")] = None,
    weights: Annotated[str | None, Setting("as for isic init")] = None,
    dry_run: Annotated[bool, Setting("say what would be done, how long, how much disk")] = False,
) -> None:
    """From labelled photographs to boxes and masks, in one command.

    Looks at the folder, trains, localises, and fills PHOTOS-boxes: boxes.csv, masks, overlays,
    index.html, model.safetensors, and settings.yaml, which counts when it is there. No boxes are
    needed. Interrupted, the same command goes on. The workflow does the work, and its snakemake
    line is printed. isic run birds is the demo: a generated data set, and Table 1.
    """
    import yaml

    from isic.product.workflow import workflow_folder
    from isic.settings.check import merge

    if snakemake and not snakemake[0].startswith("-"):
        raise InputError(f"{snakemake[0]}: one folder at a time; options of snakemake follow --.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = yaml.safe_load((workflow_folder() / "config.yaml").read_text(encoding="utf-8"))
    if photos in config["datasets"] and not Path(photos).is_dir():
        if to or backbone or weights:
            raise InputError(f"{photos}: --to, --backbone and --weights are for a folder.")
        folder = output or Path()
        with _interruptible(folder):
            _make(config, photos, folder, None, [f"table{table or 1}.csv"], snakemake, dry_run)
        if not dry_run:
            _print_table(folder / "results" / photos / f"table{table or 1}.csv")
        return
    root = Path(photos)
    check_root(root)
    folder = output or _beside(root)
    if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root)):
        raise InputError(f"{folder}: lies in {root}. Name another folder with --output.")
    tables = [f"table{table}.csv"] if table else []
    targets = ["predictions/boxes.csv", "model.safetensors", "check.html", *tables]
    with _interruptible(folder), tempfile.TemporaryDirectory() as scratch:
        work = folder if not dry_run or (folder / SETTINGS).exists() else Path(scratch)
        index = _settle(root, work / SETTINGS, backbone, weights)
        name, stated = _stated(root, work / SETTINGS)
        if not dry_run:
            _lead(work, name)
        stated = merge(config, stated)
        _make(stated, name, work, work / SETTINGS, targets, snakemake, dry_run, index)
    if not dry_run:
        _finish(folder, name, to or ())
        for one in tables:
            _print_table(folder / "results" / name / one)


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Say in what state a run is left that a person stops."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped. What is done is kept in {folder}; type the same again, and it goes on.")
        raise click.exceptions.Exit(INTERRUPTED) from None


def _beside(root: Path) -> Path:
    """The folder of the boxes of a folder of photographs."""
    named = root if root.name not in ("", "..") else Path(os.path.abspath(root))
    return named.with_name(f"{named.name}-boxes")


def _settle(
    root: Path, settings: Path, backbone: str | None, weights: str | None
) -> pd.DataFrame | None:
    """Look at the photographs and write settings for them, where there are none yet.

    Returns:
        Their index, if they were looked at.
    """
    from isic.product.survey import dataset_name
    from isic.storage.files import atomic

    if settings.exists():
        if backbone or weights:
            raise InputError(f"{settings}: has the backbone and weights. Change them there.")
        return None
    if weights and Path(weights).is_file():  # seen from elsewhere
        weights = os.path.abspath(weights)
    absolute = Path(os.path.abspath(root))
    found, lines, text = look(root, absolute, dataset_name(root), backbone, weights)
    print("\n".join(lines))
    with atomic(settings) as part:
        part.write_text(text, encoding="utf-8")
    return found.index


def _stated(root: Path, settings: Path) -> tuple[str, Mapping[str, Any]]:
    """The data set's name in a file of settings, and all that this states.

    Raises:
        InputError: it is none, or of another folder.
    """
    import yaml

    try:
        stated = yaml.safe_load(settings.read_text(encoding="utf-8"))
        ((name, own),) = stated["datasets"].items()
        theirs = settings.parent / Path(own["source"]["root"]).expanduser()
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{settings}: is not the settings of one folder of photographs ({reason}). Correct it, "
            "or delete it to have it written anew."
        ) from error
    if os.path.realpath(theirs) != os.path.realpath(root):
        raise InputError(
            f"{settings}: is of {theirs}. Name another folder with --output, or change root there."
        )
    return name, stated


def _lead(folder: Path, name: str) -> None:
    """Have the workflow write its predictions into the folder itself, where it may have links."""
    from isic.storage.files import make_folder
    from isic.storage.layouts import Files

    link = folder / Files.predictions.format(dataset=name)
    make_folder(link.parent)
    with suppress(OSError):
        link.symlink_to("../..")


def _make(
    config: Mapping[str, Any],
    name: str,
    folder: Path,
    settings: Path | None,
    targets: Sequence[str],
    snakemake: Sequence[str],
    dry_run: bool,
    index: pd.DataFrame | None = None,
) -> None:
    """Have the workflow make files of a data set, or say what it would do."""
    from isic.data.index import read_index
    from isic.product.workflow import (
        CLUSTER_PATIENCE,
        PATIENCE,
        Display,
        Progress,
        planned,
        run,
        snakemake_words,
    )
    from isic.settings.check import check
    from isic.storage.layouts import Files

    own = check(config)[name]
    words = snakemake_words(
        folder, settings, [f"results/{name}/{target}" for target in targets], snakemake
    )
    jobs = planned(words)
    if not jobs:
        print("nothing to be done: all is there")
        return
    path = folder / Files.index.format(dataset=name)

    def seconds() -> dict[str, float]:
        """What a job of each rule takes; nothing where the images are not known yet."""
        if index is None and not path.exists():
            return {}
        return _expected(own, jobs, read_index(path) if index is None else index, folder)

    print(f"{jobs.total()} jobs: {', '.join(jobs)}")
    expected = seconds() if TRAININGS & set(jobs) else {}
    if dry_run:
        if TRAININGS & set(jobs) and not expected:
            print("how long, and how much disk, can be told once the images are there")
        return
    print(f"snakemake {shlex.join(words)}", flush=True)
    patience = CLUSTER_PATIENCE if snakemake else PATIENCE
    run(words, Progress(Counter(jobs), expected, seconds), Display(), patience)


def _expected(
    own: Settings, jobs: Mapping[str, int], index: pd.DataFrame, folder: Path
) -> dict[str, float]:
    """Seconds of a job of each rule, measured on this machine; the whole of it is printed."""
    from isic.product.plan import START, measured_rates, plan
    from isic.product.workflow import duration

    train = int((index["split"] == "train").sum())
    rates = measured_rates(own, index["class"].nunique())
    table = plan(own, jobs, train, len(index) - train, rates)
    table["seconds"] = table["hours"] * 3600 / table["jobs"] + START
    whole = (table["seconds"] * table["jobs"]).sum()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    print(
        f"about {duration(whole)} and {table['GB'].sum():.1f} GB of disk, of which "
        f"{shutil.disk_usage(there).free / 1e9:.1f} GB are free; by "
        f"{rates['images_per_second']['train_classifier']:.1f} images/s that this machine trains"
    )
    return dict(zip(table["rule"], table["seconds"], strict=True))


def _finish(folder: Path, name: str, formats: Sequence[str]) -> None:
    """Put beside the boxes what else is for people, and say where to look."""
    from isic.commands.product.export import export
    from isic.product.predictions import read_predictions
    from isic.storage.layouts import Files

    link = folder / Files.predictions.format(dataset=name)
    place = folder if link.is_symlink() else link
    for file in (Files.model, Files.check):
        _same_file(folder / file.format(dataset=name), folder / Path(file).name)
    for form in formats:
        target = folder / (f"{form}.json" if form == "coco" else form)
        if target.is_dir() and any(target.iterdir()):  # somebody may have corrected it
            print(f"{target}: is there already and stays. Delete it to have it written anew.")
            continue
        export(form, place, target)  # type: ignore[arg-type]  # its formats, but for onnx
    found = read_predictions(place)
    pages = (place / "index.html", folder / "check.html")  # what there is to look at
    print(
        f"{len(found.boxes)} boxes in {len(found.images)} images: {place / 'boxes.csv'}, masks, "
        f"overlays\nlook: {', '.join(str(page) for page in pages if page.exists())}\n"
        f"use:  isic predict {shlex.quote(str(folder / 'model.safetensors'))} NEW_PHOTOS"
    )


def _same_file(source: Path, target: Path) -> None:
    """Have a file in two places, without taking disk twice where that can be."""
    from isic.storage.files import atomic

    if target.exists() and target.samefile(source):
        return
    with atomic(target) as part:
        try:
            part.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, part)


def _print_table(path: Path) -> None:
    from isic.evaluation.tables.printing import format_table, read_table

    print(f"{format_table(read_table(path))}\n\n{path}")
