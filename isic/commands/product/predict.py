"""isic predict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click

from isic.commands.options import File
from isic.commands.running import command_provenance
from isic.errors import InputError
from isic.process import cores
from isic.settings.declare import Setting


def predict(
    model: Annotated[Path, File("results/DATASET/model.safetensors.")],
    images: Annotated[tuple[str, ...], Setting("Image files, folders or globs.")],
    output: Annotated[Path, File("Folder to write.", writes=True)] = Path("predictions"),
    all_objects: Annotated[bool, Setting("every object, not only the largest")] = False,
    min_area: Annotated[
        float | None,
        Setting(
            "least area of an object, share of the image  [default: 0.01 with --all-objects]",
            least=0,
            most=1,
        ),
    ] = None,
    refine: Annotated[
        bool, Setting("end boxes and masks where the image's colours change")
    ] = False,
    masks: Annotated[bool, Setting("write masks as PNG")] = True,
    overlays: Annotated[
        bool, Setting("write images with boxes drawn on them, and the page")
    ] = True,
    classes: Annotated[bool, Setting("name each image's class")] = True,
    index: Annotated[
        Path | None,
        File(
            "index.csv: only its images, which lie below IMAGES, a folder; their labels are the "
            "classes."
        ),
    ] = None,
) -> None:
    """Put boxes and masks on the objects in new images.

    Writes boxes.csv (a row an object: box in pixels of the upright image, x1 and y1 exclusive, and
    its confidence), images.csv (a row an image), masks/, overlays/, and index.html, a page to look
    through them. JPEG, PNG, HEIC, AVIF, WebP, TIFF, BMP, GIF and PPM of any mode and orientation
    are read, up to 500 million pixels. A file that cannot be read is reported, the rest goes on,
    and the exit status is 3.
    """
    from isic.data.image import noted
    from isic.data.index import check_unchanged, read_index
    from isic.product.image_files import common_root, find_images, image_ids
    from isic.product.localizer import Localizer
    from isic.product.predict import PredictOptions, predict
    from isic.training.devices import pick_device

    problems: dict[str, str] = {}
    left_out: list[str] = []
    labels = None
    if index is not None:
        if len(images) != 1 or not Path(images[0]).is_dir():
            raise InputError("predict --index: IMAGES is the one folder that the index is of.")
        table = read_index(index)
        root, ids, labels = Path(images[0]), list(table["image_id"]), list(table["class"])
        check_unchanged(root, table, cores())
    else:
        files, problems, left_out = find_images(images)
        if not files:
            what, reason = next(iter(problems.items()))
            raise InputError(f"{what}: {reason}. Name image files, folders or globs.")
        root = common_root(files)
        ids = image_ids(files)
    if min_area is None:  # of every image one box, however small the object
        min_area = 0.01 if all_objects else 0.0
    options = PredictOptions(all_objects, min_area, refine, masks, overlays, classes)
    localizer = Localizer.load(model, pick_device())
    found = predict(
        localizer,
        root,
        ids,
        output,
        options,
        problems=problems,
        labels=labels,
        metadata=command_provenance(),
    )
    bad = found[found["problem"].notna()]
    seen = found[found["problem"].isna()]
    nothing = seen[seen["objects"] == 0]
    notes = seen.loc[seen["note"].notna(), ["image_id", "note"]]
    for line in [
        *left_out,
        *noted((name, [reason]) for name, reason in problems.items()),
        *noted((name, note.split("; ")) for name, note in notes.itertuples(index=False)),
    ]:
        print(f"isic: {line}", file=sys.stderr)
    print(
        f"{seen['objects'].sum()} objects in {len(seen)} images"
        f"{f', nothing in {len(nothing)} of them' if len(nothing) else ''}: {output / 'boxes.csv'}"
    )
    if len(bad):
        print(f"isic: {len(bad)} could not be read: {output / 'images.csv'}", file=sys.stderr)
        raise click.exceptions.Exit(3)
