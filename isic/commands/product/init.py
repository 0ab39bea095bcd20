"""isic init."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isic.commands.options import File
from isic.errors import InputError, is_utf8
from isic.process import cores
from isic.settings.declare import Setting

if TYPE_CHECKING:
    from isic.product.survey import Survey


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
    from isic.product.survey import check_name, dataset_name, free_name
    from isic.storage.files import atomic, is_stream

    check_root(root)
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
    _, lines, text = look(root, root, name, backbone, weights)
    with atomic(output) as part:
        part.write_text(text, encoding="utf-8")
    print("\n".join(lines))
    snakemake = f"snakemake --cores {cores()} results/{name}"
    print(
        f"\nwritten: {output}\n\n"
        "Next, in the folder of the Snakefile: train, and localise the objects of every image,\n"
        f"  {snakemake}/predictions/boxes.csv --configfile {shlex.quote(str(output))}\n"
        "or only as far as the pseudo-masks, to look at them before the segmenter is trained:\n"
        f"  {snakemake}/check.html --configfile {shlex.quote(str(output))}"
    )


def check_root(root: Path) -> None:
    """See that the workflow takes a folder of this name.

    Raises:
        InputError: it does not.
    """
    if set("{}") & set(str(root)):
        raise InputError(f"{root}: Snakemake takes braces for wildcards. Rename the folder.")
    if not is_utf8(str(root)):
        raise InputError(
            f"{root}: the folder's name is not UTF-8. Rename it, or work in it: init ."
        )
    if str(root).startswith("-"):
        raise InputError(f"{root}: begins with a dash, as options do. Rename the folder.")


def look(
    root: Path, written: Path, name: str, backbone: str | None, weights: str | None
) -> tuple[Survey, list[str], str]:
    """What a folder of labelled images holds, the same as lines, and the text of settings for it.

    Args:
        written: the folder as the settings name it.
        name: of the data set.
        backbone, weights: of the user's choice.

    Raises:
        InputError: there are no such images, or no such network.
    """
    import dataclasses

    import torch

    from isic.data.sources.folder import index_folder
    from isic.data.sources.weights import FROM_PYPI
    from isic.networks.backbones import Backbone
    from isic.networks.positions import padding_offsets
    from isic.product.survey import pretrained, report, settings_file, survey
    from isic.settings.kinds import LITE0, named_weights
    from isic.settings.networks import network_conflicts

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
    lines = report(found)
    if named_weights(weights) and weights != LITE0:
        lines.append(f"weights: {weights}, downloaded when needed. {FROM_PYPI}")
    found = dataclasses.replace(found, root=written)
    return found, lines, settings_file(found, name, gpu, backbone, weights)
