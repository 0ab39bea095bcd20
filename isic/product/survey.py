"""What a folder of labelled images holds, in words, and settings that suit it: `isic init`."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from isic.data.index import classes, evaluated
from isic.data.sources.listing import SPLITS, visible
from isic.errors import InputError
from isic.settings.check import NAME, NAME_FORM
from isic.settings.kinds import TIMM
from isic.settings.networks import timm_names
from isic.storage.layouts import Files

LISTED = 10  # of a kind, by name
FEW = 10  # training images, fewer than which a class's direction rests on little
UNEVEN = 10  # times as many images in the largest class as in the smallest
SMALL = 64  # pixels of a side
# Training images that a class passes, on average: 95 × 8 epochs on photos8, 30 × 32 on CUB in the
# paper, 40 × 12 on birds; between these bounds of the paper's own (32 and 5 epochs).
SEEN, FEWEST, MOST = 800, 5, 32
STORED = 4 * 2**30  # bytes of decoded images above which JPEGs are kept instead
TAKEN = ("birds", "cub", "cub-literal", "imagenet", "weights")  # names that config.yaml uses


@dataclass(frozen=True)
class Survey:
    """A folder of labelled images, looked at.

    Attributes:
        root: the folder.
        index: its images, as of `isic.data.index`.
        truth: the true boxes of boxes.csv, as of `isic.data.index`.
        unreadable: ids of files that are images by name and cannot be read.
        ignored: names in the folder that play no part.
    """

    root: Path
    index: pd.DataFrame
    truth: pd.DataFrame
    unreadable: Sequence[str]
    ignored: Sequence[str]


def survey(
    root: Path, index: pd.DataFrame, truth: pd.DataFrame, unreadable: Sequence[str]
) -> Survey:
    """Complete what `isic.data.sources.folder.index_folder` found in `root`."""
    names = [entry.name for entry in visible(root)]
    used = {image_id.partition("/")[0] for image_id in [*index["image_id"], *unreadable]}
    ignored = [name for name in names if name not in used | {"boxes.csv", *SPLITS}]
    return Survey(root, index, truth, unreadable, ignored)


def report(found: Survey) -> list[str]:
    """Lines on what the folder holds; those about trouble begin with `warning:`."""
    index = found.index
    counts = index[index["split"] == "train"]["class"].value_counts()
    counts = counts.reindex(classes(index))  # as they stand in the index, not by number
    tested = int((index["split"] == "test").sum())
    lines = [
        f"{found.root}: {len(counts)} classes, {int(counts.sum())} training images, "
        f"{f'{tested} test images' if tested else 'no test images'}"
    ]
    shown = [f"{name} {counts[name]}" for name in classes(index)[:LISTED]]
    more = f", and {len(counts) - LISTED} more classes" if len(counts) > LISTED else ""
    lines.append(f"training images a class: {', '.join(shown)}{more}")
    if len(counts) > LISTED:
        middle = f"median {counts.median():g}"
        lines.append(f"from {counts.min()} ({counts.idxmin()}) to {counts.max()} "
                     f"({counts.idxmax()}), {middle}")  # fmt: skip
    widths, heights = index["width"], index["height"]
    lines.append(
        f"sizes: width {widths.min()} to {widths.max()} (median {widths.median():g}), "
        f"height {heights.min()} to {heights.max()} (median {heights.median():g}) pixels"
    )
    lines.append(_scored(index, found.truth))
    if found.ignored:
        lines.append(f"not used: {_named(found.ignored)}")
    return lines + [f"warning: {line}" for line in _troubles(found, counts)]


def _scored(index: pd.DataFrame, truth: pd.DataFrame) -> str:
    """What the true boxes are good for."""
    if not len(truth):
        return "no boxes: labels are enough; nothing will be scored"
    images = index["image_id"].iloc[evaluated(index)]
    boxed = int(images.isin(truth["image_id"]).sum())
    split = "test" if (index["split"] == "test").any() else "training"
    found = f"{len(truth)} true boxes in boxes.csv, for {boxed} of {len(images)} {split} images"
    if not boxed:
        return f"{found}: nothing will be scored"
    without = ", the images without one are left out of the scores" if boxed < len(images) else ""
    if split == "training":
        without += "; there are no test images, so the training images are scored"
    return f"{found}: they serve for scoring alone{without}"


def _troubles(found: Survey, counts: pd.Series) -> list[str]:
    index, lines = found.index, []
    if found.unreadable:
        lines.append(
            f"{len(found.unreadable)} files cannot be read and will be left out: "
            f"{_named(found.unreadable)}"
        )
    if counts.max() > UNEVEN * counts.min():
        lines.append(
            f"class {counts.idxmax()} has {counts.max() / counts.min():.0f} times as many training "
            f"images as {counts.idxmin()}: expect better masks of the larger classes"
        )
    if (few := counts[counts < FEW]).size:
        lines.append(
            f"{len(few)} classes have fewer than {FEW} training images: {_named(list(few.index))}"
        )
    small = index[index[["width", "height"]].min(axis=1) < SMALL]
    if len(small):
        lines.append(
            f"{len(small)} images have a side below {SMALL} pixels: "
            f"{_named(list(small['image_id']))}"
        )
    groups = [group for _, group in index.groupby("digest", sort=False) if len(group) > 1]
    for problem, groups_of in (
        ("images stand in several classes, the same file",
         [g for g in groups if g["class"].nunique() > 1]),
        ("images stand among the training and the test images, the same file",
         [g for g in groups if g["class"].nunique() == 1 and g["split"].nunique() > 1]),
        ("images are there more than once, the same file",
         [g for g in groups if g["class"].nunique() == 1 and g["split"].nunique() == 1]),
    ):  # fmt: skip
        if groups_of:
            pairs = [" = ".join(group["image_id"]) for group in groups_of]
            lines.append(f"{len(groups_of)} {problem}: {_named(pairs)}")
    return lines


def _named(names: Sequence[str]) -> str:
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def dataset_name(root: Path) -> str:
    """A name for the data set, made of its folder's: letters, digits, `.` and `-`."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(os.path.abspath(root)).name).strip("-.") or "images"
    return f"my-{name}" if name in TAKEN else name


def free_name(root: Path, folder: Path) -> str:
    """A name for the data set that no other one in `folder` has: neither results nor settings."""
    root = Path(os.path.abspath(root))
    plain = dataset_name(root)
    parent = re.sub(r"[^A-Za-z0-9.-]+", "-", root.parent.name).strip("-.")
    longer = [f"{parent}-{plain}"] if parent else []
    numbered = (f"{plain}-{number}" for number in itertools.count(2))
    return next(
        name
        for name in itertools.chain([plain, *longer], numbered)
        if all(_same(other, root) for other in sources_of(name, folder))
    )


def check_name(name: str, root: Path, folder: Path) -> None:
    """See that a data set may be called so.

    Raises:
        InputError: results cannot carry the name, or another data set in `folder` has it.
    """
    if name in TAKEN or not re.fullmatch(NAME, name):
        raise InputError(
            f"--name: {name!r} is not {NAME_FORM}, nor one of {', '.join(TAKEN[:-1])}, which "
            "config.yaml has. Choose another."
        )
    for other in sources_of(name, folder):
        if other.is_dir() and not _same(other, root):  # else it was moved
            raise InputError(
                f"--name: {name} is the name of {os.path.relpath(other)} here. Choose another."
            )


def sources_of(name: str, folder: Path) -> list[Path]:
    """Folders of images of the data sets of this name whose results or settings lie in `folder`."""
    found = []
    origin = folder / Files.origin.format(dataset=name)
    if root := _within(_read(origin, json.loads), "root"):
        found.append(Path(os.path.realpath(origin.parent)) / str(root))
    for path in sorted(folder.glob("*.y*ml")):
        if root := _within(_read(path, yaml.safe_load), "datasets", name, "source", "root"):
            found.append(folder / Path(str(root)).expanduser())
    return found


def _same(one: Path, other: Path) -> bool:
    return one.is_dir() and other.is_dir() and one.samefile(other)


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    """What a file holds; nothing where it cannot be read, as others' files lie there, too."""
    try:
        return parse(path.read_text(encoding="utf-8")) if path.stat().st_size < 2**20 else None
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _within(content: Any, *names: str) -> Any:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def pretrained(backbone: str) -> str:
    """The name of a network's first weights, in torchvision those of the paper's time.

    Raises:
        InputError: there is no such network, or none of its weights are published.
    """
    from torchvision import models

    if backbone.startswith(TIMM):
        tags = timm_names(backbone.removeprefix(TIMM))[1]
        if not tags:
            raise InputError(f"backbone: timm has no network {backbone} with weights.")
        from timm.models import get_pretrained_cfg_value

        return f"{backbone}.{get_pretrained_cfg_value(backbone.removeprefix(TIMM), 'tag')}"
    try:
        return str(next(iter(models.get_model_weights(backbone))))
    except (ValueError, StopIteration) as error:
        raise InputError(
            f"backbone: torchvision has no network {backbone!r} with ImageNet weights. "
            "Names: resnet18, resnet50, mobilenet_v2, efficientnet_b0, …"
        ) from error


def epochs(images: int, classes: int) -> int:
    """Passes over the training images, so that each class is seen about as often as where these
    settings were measured."""
    return int(np.clip(round(SEEN * classes / images), FEWEST, MOST))


def settings_file(found: Survey, name: str, gpu: bool, backbone: str, weights: str) -> str:
    """Text of a settings file for Snakemake, with comments.

    Args:
        name: of the data set.
        gpu: whether there is one: larger images, and a larger batch for the segmenter.
        backbone, weights: as in config.yaml.
    """
    train = int((found.index["split"] == "train").sum())
    count = found.index["class"].nunique()
    passes = epochs(train, count)
    resize, crop = (256, 225) if gpu else (192, 161)
    store = "jpeg" if len(found.index) * resize**2 * 3 > STORED else "pixels"
    text = {"root": str(found.root), "backbone": backbone, "weights": weights}
    quoted = {key: _scalar(value) for key, value in text.items()}
    network = [
        (
            "backbone",
            quoted["backbone"],
            "any of torchvision, or timm/NAME; resnet50 is the paper's",
        ),
        ("weights", quoted["weights"], "downloaded by this name, or a file of yours"),
        ("epochs", passes, f"passes over the {train} training images"),
    ]
    sections: dict[str, list[tuple[str, object, str]]] = {
        "source": [
            ("type", "folder", ""),
            ("root", quoted["root"], "seen from where snakemake runs"),
        ],
        "images": [
            ("resize", resize, "pixels; every image becomes a square of this side"),
            ("crop", crop, "pixels, 32·k + 1; smaller is faster, larger sees finer objects"),
            ("store", store, "pixels: in memory; jpeg: on the disk, for large sets"),
        ],
        "classifier": [
            *network,
            ("classes_per_batch", min(16, count), "times 4 images"),
        ],
        "features": [
            ("shards", 1 if train < 5000 else min(8, count), "jobs that share the classes out"),
        ],
        "segmenter": [*network, ("batch_size", 64 if gpu else 32, "images")],
    }
    if found.unreadable:
        skip = f"{len(found.unreadable)} files cannot be read: skip leaves them out, error stops"
        sections["images"].append(("unreadable", "skip", skip))
    lines = [
        f"# Settings for {name}: {count} classes, {train} training images; by `isic init`.",
        "# docs/settings.md explains these and all other settings. Write here which are to differ:",
        "# thresholds of masks and boxes, λ and γ of the loss, learning rates, several GPUs.",
        "datasets:",
        f"  {_scalar(name)}:",
    ]
    for section, rows in sections.items():
        lines.append(f"    {section}:")
        for key, value, comment in rows:
            setting = f"      {key}: {value}"
            lines.append(f"{setting:<45} # {comment}" if comment else setting)
    return "\n".join(lines) + "\n"


def _scalar(value: str) -> str:
    """A string as YAML writes it, quoted where it must be."""
    style = None if value.isprintable() else '"'  # which alone can hold line breaks and the like
    text = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
