"""isic init."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.errors import InputError, is_utf8
from isic.process import cores
from isic.settings.declare import Setting


def init(
    root: Annotated[Path, File("Folder of class folders: CLASS/*.jpg.")],
    output: Annotated[
        Path | None, File("Settings file to write. [default: FOLDER.yaml]", writes=True)
    ] = None,
    name: Annotated[
        str | None, Setting("of the data set: results/NAME  [default: made of the folder's]")
    ] = None,
    backbone: Annotated[
        str | None, Setting("name, or timm/NAME  [default: resnet50, without a GPU mobilenet_v2]")
    ] = None,
    weights: Annotated[
        str | None, Setting("name or file  [default: the backbone's, ImageNet]")
    ] = None,
) -> None:
    """Look at a folder of labelled images, and write settings for it.

    The classes are its folders, all images for training, or those of its folders train and test.
    Boxes are not needed; a boxes.csv serves for scoring. Nothing in the folder is changed.
    """
    import torch

    from isic.data.sources.folder import index_folder
    from isic.data.sources.weights import FROM_PYPI
    from isic.networks.backbones import Backbone
    from isic.networks.positions import padding_offsets
    from isic.product.survey import (
        check_name,
        dataset_name,
        free_name,
        pretrained,
        report,
        settings_file,
        survey,
    )
    from isic.settings.kinds import LITE0, named_weights
    from isic.settings.networks import network_conflicts
    from isic.storage.files import atomic, is_stream

    if set("{}") & set(str(root)):
        raise InputError(f"{root}: Snakemake takes braces for wildcards. Rename the folder.")
    if not is_utf8(str(root)):
        raise InputError(
            f"{root}: the folder's name is not UTF-8. Rename it, or work in it: init ."
        )
    if str(root).startswith("-"):
        raise InputError(f"{root}: begins with a dash, as options do. Rename the folder.")
    if name is None:
        name = free_name(root, Path.cwd())
        if name != dataset_name(root):
            print(f"{dataset_name(root)} is another set's name here: this one is called {name}.")
    check_name(name, root, Path.cwd())
    output = output or Path(f"{name}.yaml")
    if output.exists() and not is_stream(output):
        raise InputError(
            f"{output}: is there already. Delete it, or name another with --output or --name."
        )
    table, boxes, skipped = index_folder(root, "skip", workers=cores())
    found = survey(root, table, boxes, skipped)
    gpu = torch.cuda.is_available()
    chosen = backbone is not None
    backbone = backbone or ("resnet50" if gpu else "mobilenet_v2")
    weights = weights or pretrained(backbone)
    for problem in network_conflicts(backbone, weights):
        raise InputError(problem)
    if chosen:  # what cannot be used is said now, not after the images are packed
        padding_offsets(Backbone(backbone))
    with atomic(output) as part:
        part.write_text(settings_file(found, name, gpu, backbone, weights), encoding="utf-8")
    print("\n".join(report(found)))
    if named_weights(weights) and weights != LITE0:
        print(f"weights: {weights}, downloaded when needed. {FROM_PYPI}")
    snakemake = f"snakemake --cores {cores()} results/{name}"
    print(
        f"\nwritten: {output}\n\n"
        "Next, in the folder of the Snakefile: train, and localise the objects of every image,\n"
        f"  {snakemake}/predictions/boxes.csv --configfile {shlex.quote(str(output))}\n"
        "or only as far as the pseudo-masks, to look at them before the segmenter is trained:\n"
        f"  {snakemake}/check.html --configfile {shlex.quote(str(output))}"
    )
