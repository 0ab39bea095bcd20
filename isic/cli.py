"""The `isic` command: one subcommand a stage, and what people use.

Reading and writing stand here; what a stage computes stands in its module, imported inside its
command, so that `isic --help` loads nothing heavy and a stage's code is what its command imports.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import sys
import threading
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import click
import typer
from typer.core import TyperCommand, TyperGroup

from isic.errors import InputError
from isic.folders import disk_fault

PEOPLE = ("init", "check", "predict", "export", "show")
THREADS = 4  # of a computation; on two cores they are 6 % slower than two (docs/results.md)


class Commands(TyperGroup):
    """The list of commands: what people use first, each with its whole first line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*PEOPLE, *(name for name in self.commands if name not in PEOPLE)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        for title, part in (
            ("Commands", names[: len(PEOPLE)]),
            ("Stages, in the order of the workflow", names[len(PEOPLE) :]),
        ):
            with formatter.section(title):
                rows = [(name, self.commands[name].get_short_help_str(200)) for name in part]
                formatter.write_dl(rows)


class Command(TyperCommand):
    """A command that says what it does, on what, how long it took and how much memory, takes only
    inputs that are as they were written, and keeps the provenance of what it wrote."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["arguments"] = shlex.join(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if not sys.stdout.isatty():
            print(f"isic {ctx.info_name} {ctx.meta['arguments']}", flush=True)
        begin = time.perf_counter()
        running.set(ctx)
        try:
            from isic.artifacts import write_record

            made = made_of()
            result = super().invoke(ctx)
            for path in _paths(written=True) if os.environ.get("RANK", "0") == "0" else ():
                if path.is_file():
                    write_record(path, made)
                    print(f"written: {path}, {path.stat().st_size:,} bytes")
            return result
        finally:
            seconds = round(time.perf_counter() - begin, 1)
            print(f"{ctx.info_name}: {seconds} s, at most {_memory()}", flush=True)


running: ContextVar[click.Context] = ContextVar("running")  # the command at hand


def _paths(written: bool) -> list[Path]:
    """The files and folders that the command at hand was given to write, or to read."""
    context, paths = running.get(), []
    for name, hint in get_type_hints(context.command.callback, include_extras=True).items():
        info = getattr(hint, "__metadata__", (None,))[0]  # typer.Argument or typer.Option
        value = context.params.get(name)
        if info is not None and "Path" in str(hint) and info.writable == written:
            paths += map(Path, value if isinstance(value, list | tuple) else filter(None, [value]))
    return paths


def made_of() -> dict[str, str]:
    """The provenance of what the command at hand writes, from its own arguments."""
    from isic.artifacts import provenance

    context = running.get()
    if "made" not in context.meta:  # inputs may be large: read once
        hints = get_type_hints(context.command.callback)
        settings = {k: v for k, v in context.params.items() if "Path" not in str(hints[k])}
        inputs = _paths(written=False)
        context.meta["made"] = provenance(context.info_name, settings, inputs)
    return dict(context.meta["made"])


def _memory() -> str:
    """Peak memory of this process and its children, and of the GPU."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in who) * unit
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return f"{peak / 2**20:.0f} MiB of memory"
    gpu = torch.cuda.max_memory_allocated()
    return f"{peak / 2**20:.0f} MiB of memory, {gpu / 2**20:.0f} MiB of the GPU's"


app = typer.Typer(
    name="isic",
    cls=Commands,
    help="""ISIC: boxes and masks from image labels alone (Wei et al., ECCV 2022).

    \b
    From labelled folders to boxes:
      isic init PHOTOS                       look at the folders, write photos.yaml
      snakemake --cores 4 results/photos/predictions/boxes.csv --configfile photos.yaml
      isic export coco results/photos/predictions photos.json
      isic predict results/photos/model.safetensors NEW_PHOTOS

    The other commands are the stages of the workflow, each of which can be run by hand. Exit
    status: 0 done, 1 bad input or settings, 2 wrong options, 3 done but for some images that
    cannot be read. An error is one line; with --debug, anywhere, it shows where it arose.""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Index = Annotated[Path, typer.Argument(help="index.csv: the images, their split and class.")]
Images = Annotated[Path, typer.Argument(help="images~R.h5: the decoded images.")]
Output = Annotated[Path, typer.Argument(writable=True, help="File to write.")]
Curves = Annotated[Path, typer.Argument(writable=True, help="CSV to write: losses by epoch.")]
Weights = Annotated[
    Path | None, typer.Option(help="torchvision state dict of the backbone; none: random weights.")
]
Backbone = Annotated[str, typer.Option(help="torchvision's name of the network.")]
Channels = Annotated[int, typer.Option(min=1, help="N, channels of the fused map.")]
Crop = Annotated[int, typer.Option(min=32, help="Side of the crop, pixels.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training images.")]
LearningRate = Annotated[float, typer.Option(min=0, help="Learning rate of new layers, constant.")]
BackboneRate = Annotated[float, typer.Option(min=0, help="Learning rate of the backbone.")]
Momentum = Annotated[float, typer.Option(min=0, max=1, help="SGD's momentum (Nesterov).")]
WeightDecay = Annotated[float, typer.Option(min=0, help="SGD's weight decay.")]
Dropout = Annotated[float, typer.Option(min=0, max=1, help="Dropout before the classifier.")]
BatchSize = Annotated[int, typer.Option(min=2, help="Images a batch.")]
Precision = Annotated[str, typer.Option(help="float32 or bf16.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Resize = Annotated[int, typer.Option(min=32, help="R: side of the resized image, pixels.")]
Tested = Annotated[bool, typer.Option("--tested", help="Only the images that get boxes.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--no-deterministic", help="Same weights on a GPU, too.")
]
TensorBoard = Annotated[
    Path | None, typer.Option(writable=True, help="Folder for TensorBoard; none: no file.")
]


@app.command()
def init(
    root: Annotated[Path, typer.Argument(help="Folder of class folders: CLASS/*.jpg.")],
    output: Annotated[
        Path | None,
        typer.Option(writable=True, help="Settings file to write. [default: FOLDER.yaml]"),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="torchvision's name. [default: resnet50, without a GPU mobilenet_v2]"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="torchvision's name or a file. [default: the backbone's, ImageNet]"),
    ] = None,
) -> None:
    """Look at a folder of labelled images, and write settings for it.

    The classes are its folders, all images for training, or those of its folders train and test.
    Boxes are not needed; a boxes.csv serves for scoring. Nothing in the folder is changed.
    """
    import torch

    from isic.artifacts import atomic
    from isic.data.folder import index_folder
    from isic.settings import network_conflicts
    from isic.survey import dataset_name, pretrained, report, settings_file, survey

    if set("{}") & set(str(root)):
        raise InputError(f"{root}: Snakemake takes braces for wildcards. Rename the folder.")
    if str(root).startswith("-"):
        raise InputError(f"{root}: begins with a dash, as options do. Rename the folder.")
    name = dataset_name(root)
    output = output or Path(f"{name}.yaml")
    if output.exists():
        raise InputError(f"{output}: is there already. Delete it, or name another with --output.")
    table, boxes, skipped = index_folder(root, "skip", workers=os.cpu_count() or 1)
    found = survey(root, table, len(boxes), skipped)
    gpu = torch.cuda.is_available()
    backbone = backbone or ("resnet50" if gpu else "mobilenet_v2")
    weights = weights or pretrained(backbone)
    for problem in network_conflicts({"backbone": backbone, "weights": weights}):
        raise InputError(problem)
    with atomic(output) as part:
        part.write_text(settings_file(found, name, gpu, backbone, weights), encoding="utf-8")
    print("\n".join(report(found)))
    snakemake = f"snakemake --cores {os.cpu_count()} results/{name}"
    print(
        f"\nwritten: {output}\n\n"
        "Next, in the folder of the Snakefile: train, and localise the objects of every image,\n"
        f"  {snakemake}/predictions/boxes.csv --configfile {shlex.quote(str(output))}\n"
        "or only as far as the pseudo-masks, to look at them before the segmenter is trained:\n"
        f"  {snakemake}/check.html --configfile {shlex.quote(str(output))}"
    )


@app.command(cls=Command)
def check(
    run: Annotated[
        Path, typer.Argument(help="Run with pseudo-masks: results/DATASET/lambda~1.0_….")
    ],
    output: Annotated[
        Path | None,
        typer.Argument(
            writable=True,
            help="HTML file to write. [default: RUN/check.html]",
            callback=lambda ctx, path: path or ctx.params["run"] / "check.html",
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Images of a kind, a class.")] = 4,
) -> None:
    """Contact sheets of the pseudo-masks, by class, before the segmenter is trained on them.

    The best, typical and worst masks of each class, one image cut at several thresholds, and
    warnings: empty masks, masks over the whole image, a direction unlike the other classes'.
    """
    from isic.artifacts import atomic
    from isic.check import check_page

    page, warnings = check_page(run, examples)
    with atomic(output) as part:
        part.write_text(page, encoding="utf-8")
    for warning in warnings:
        print(f"warning: {warning}")


@app.command(cls=Command)
def predict(
    model: Annotated[Path, typer.Argument(help="results/DATASET/model.safetensors.")],
    images: Annotated[list[str], typer.Argument(help="Image files, folders or globs.")],
    output: Annotated[Path, typer.Option(writable=True, help="Folder to write.")] = Path(
        "predictions"
    ),
    all_objects: Annotated[
        bool, typer.Option("--all-objects", help="Every object, not only the largest.")
    ] = False,
    min_area: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Least area of an object, share of the image. [default: 0.01 with --all-objects]",
        ),
    ] = None,
    masks: Annotated[bool, typer.Option(help="Write masks as PNG.")] = True,
    overlays: Annotated[bool, typer.Option(help="Write images with boxes drawn on them.")] = True,
    classes: Annotated[bool, typer.Option(help="Name each image's class.")] = True,
    index: Annotated[
        Path | None,
        typer.Option(help="index.csv: only its images, which lie below IMAGES, a folder; "
                     "their labels are the classes."),
    ] = None,
) -> None:  # fmt: skip
    """Put boxes and masks on the objects in new images.

    Writes boxes.csv (a row an object: box in pixels of the upright image, x1 and y1 exclusive, and
    its confidence), images.csv (a row an image), masks/, overlays/. JPEG, PNG, WebP, TIFF, BMP,
    GIF and PPM of any size, mode and orientation are read. A file that cannot be read is reported,
    the rest goes on, and the exit status is 3.
    """
    from isic.data.index import read_index
    from isic.localizer import Localizer
    from isic.predictions import Asked, common_root, find_images, predict

    problems: dict[str, str] = {}
    labels = None
    if index is not None:
        if len(images) != 1 or not Path(images[0]).is_dir():
            raise InputError("predict --index: IMAGES is the one folder that the index is of.")
        table = read_index(index)
        root, ids, labels = Path(images[0]), list(table["image_id"]), list(table["class"])
    else:
        files, problems = find_images(images)
        if not files:
            what, reason = next(iter(problems.items()))
            raise InputError(f"{what}: {reason}. Name image files, folders or globs.")
        root = common_root(files)
        ids = [os.path.relpath(file, root).replace(os.sep, "/") for file in files]
    if min_area is None:  # of every image one box, however small the object
        min_area = 0.01 if all_objects else 0.0
    asked = Asked(all_objects, min_area, masks, overlays, classes)
    localizer = Localizer.load(model)
    found = predict(
        localizer, root, ids, output, asked, problems=problems, labels=labels, metadata=made_of()
    )
    bad = found[found["problem"].notna()]
    seen = found[found["problem"].isna()]
    nothing = seen[seen["objects"] == 0]
    for name, reason in problems.items():
        print(f"isic: {name}: {reason}", file=sys.stderr)
    print(
        f"{seen['objects'].sum()} objects in {len(seen)} images"
        f"{f', nothing in {len(nothing)} of them' if len(nothing) else ''}: {output / 'boxes.csv'}"
    )
    if len(bad):
        print(f"isic: {len(bad)} could not be read: {output / 'images.csv'}", file=sys.stderr)
        raise typer.Exit(3)


@app.command()
def export(
    format: Annotated[
        str, typer.Argument(help="coco, voc or yolo: of predictions; onnx: of a model.")
    ],
    source: Annotated[Path, typer.Argument(help="Folder that predict wrote, or the model.")],
    output: Annotated[
        Path, typer.Argument(writable=True, help="File (coco, onnx) or new folder (voc, yolo).")
    ],
    masks: Annotated[bool, typer.Option(help="coco: with masks, as RLE.")] = True,
) -> None:
    """Write predictions as COCO, Pascal VOC or YOLO, or a model as ONNX.

    coco: one JSON file, boxes and RLE masks. voc: Annotations/*.xml. yolo: labels/*.txt, links to
    the images and data.yaml. CSV is what predict itself writes. onnx: the segmenter, images of any
    number and size in, its map out, checked against torch.
    """
    if format not in ("coco", "voc", "yolo", "onnx"):
        raise InputError(f"{format}: is no format of isic export: coco, voc, yolo or onnx.")
    if format == "onnx":
        from isic.models.files import load_model
        from isic.onnx import export_onnx

        difference = export_onnx(load_model(source), output)
        print(f"written: {output}, at most {difference:.1e} from torch")
        return
    from isic.exports import write_coco, write_voc, write_yolo
    from isic.predictions import read_predictions

    predictions = read_predictions(source)
    if format == "coco":
        write_coco(predictions, output, masks)
    else:
        {"voc": write_voc, "yolo": write_yolo}[format](predictions, output)
    print(f"written: {output}, {len(predictions.images)} images, {len(predictions.boxes)} objects")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A file that isic wrote.")],
) -> None:
    """Tell by which command, settings, code, versions and inputs a file was made.

    And whether the file, the code, the versions and the inputs, as far as they are here, are still
    the same.
    """
    from isic.show import report

    print("\n".join(report(file)))


@app.command(cls=Command)
def birds(
    output: Annotated[Path, typer.Argument(writable=True, help="Folder to write.")],
    genera: Annotated[int, typer.Option(min=1)] = 4,
    species: Annotated[int, typer.Option(min=1, help="Species a genus.")] = 3,
    train_images: Annotated[int, typer.Option(min=1, help="Training images a species.")] = 40,
    test_images: Annotated[int, typer.Option(min=1, help="Test images a species.")] = 20,
    size: Annotated[int, typer.Option(min=32, help="Longer side of an image, pixels.")] = 160,
    seed: Seed = 0,
) -> None:
    """Draw the data set birds: class folders, boxes.csv, masks."""
    from isic.data.birds import generate

    generate(
        output,
        genera=genera,
        species=species,
        train_images=train_images,
        test_images=test_images,
        size=size,
        seed=seed,
    )


@app.command(cls=Command)
def fetch(
    url: Annotated[str, typer.Argument(help="Address of the file.")],
    output: Output,
    checksum: Annotated[str, typer.Option(help="sha256:HEX or md5:HEX.")],
) -> None:
    """Download a file and check it."""
    from isic.data.download import fetch as download

    download(url, output, checksum)


@app.command(cls=Command)
def unpack(
    archive: Annotated[Path, typer.Argument(help="tar or zip archive.")],
    output: Annotated[Path, typer.Argument(writable=True, help="Folder to write.")],
) -> None:
    """Unpack an archive into a new folder, whole or not at all."""
    from isic.data.download import unpack as extract

    extract(archive, output)


@app.command(cls=Command)
def weights(
    name: Annotated[str, typer.Argument(help="For example ResNet50_Weights.IMAGENET1K_V1.")],
    output: Output,
) -> None:
    """Download ImageNet weights by torchvision's name and check them."""
    from isic.data.download import weights as download

    download(name, output)


@app.command(cls=Command)
def index(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Annotated[Path, typer.Argument(writable=True, help="index.csv to write.")],
    truth: Annotated[
        Path, typer.Argument(writable=True, help="truth.csv to write: the true boxes, if any.")
    ],
    type: Annotated[
        str, typer.Option(help="folder, cub or imagenet: the data set's layout.")
    ] = "folder",
    unreadable: Annotated[
        str, typer.Option(help="What to do with an image that cannot be read: error or skip.")
    ] = "error",
) -> None:
    """List a data set's images, classes and boxes, and check every one."""
    from isic.artifacts import write_csv
    from isic.data.cub import index_cub
    from isic.data.folder import index_folder
    from isic.data.imagenet import index_imagenet

    read = {"folder": index_folder, "cub": index_cub, "imagenet": index_imagenet}.get(type)
    if read is None:
        raise InputError(f"--type {type}: must be folder, cub or imagenet.")
    table, boxes, skipped = read(root, unreadable, workers=os.cpu_count() or 1)
    write_csv(boxes, truth)
    write_csv(table, output)
    counts = table["split"].value_counts()
    print(
        f"{table['class'].nunique()} classes, {counts.get('train', 0)} training images, "
        f"{counts.get('test', 0)} test images, {len(boxes)} boxes, {len(skipped)} left out"
    )
    for name in skipped:
        print(f"left out, cannot be read: {name}")


@app.command(cls=Command)
def images(
    index: Index,
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Output,
    resize: Resize = 256,
    tested: Tested = False,
) -> None:
    """Decode every image once and keep it at R × R pixels."""
    from isic.data.index import evaluated, read_index
    from isic.data.pack import pack

    table = read_index(index)
    table = table[evaluated(table)] if tested else table
    pack(table, root, output, resize, os.cpu_count() or 1, made_of())


@app.command(cls=Command)
def image_shard(
    index: Index,
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    output: Output,
    shard: Annotated[int, typer.Option(min=0, help="Which shard of images.")] = 0,
    shards: Annotated[int, typer.Option(min=1, help="Shards in all.")] = 1,
    resize: Resize = 256,
    tested: Tested = False,
) -> None:
    """Keep one shard's images at R × R pixels, as JPEG."""
    from isic.data.index import evaluated, read_index
    from isic.data.pack import pack_shard
    from isic.shards import shard as part

    table = read_index(index)
    table = table[evaluated(table)] if tested else table
    rows = part(len(table), shard, shards)
    if not rows:
        raise InputError(
            f"images.shards: {shards} shards for {len(table)} images; lower it to {len(table)}."
        )
    rows = slice(rows.start, rows.stop)
    pack_shard(table[rows], root, output, resize, os.cpu_count() or 1, made_of())


@app.command(cls=Command)
def join_shards(
    shards: Annotated[list[Path], typer.Argument(help="Shards of images, in order.")],
    output: Output,
) -> None:
    """Write the file that finds each image in its shard: images~R.h5 of JPEGs."""
    from isic.data.pack import join_shards as join

    join(shards, output, made_of())


@app.command(cls=Command)
def similarity(
    index: Index,
    images: Images,
    output: Output,
    dimensions: Annotated[int, typer.Option(min=1, help="Length of an image vector.")] = 128,
    crop: Crop = 224,
    backbone: Backbone = "resnet50",
    weights: Weights = None,
    classifier: Annotated[
        Path | None,
        typer.Option(help="A classifier trained with λ = 0; instead of --backbone, --weights."),
    ] = None,
) -> None:
    """The inter-class similarity matrix S (Section 3.3)."""
    import numpy as np

    from isic.artifacts import new_hdf5
    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.devices import pick_device
    from isic.models.backbones import Backbone as Network
    from isic.models.files import load_network
    from isic.models.fusion import image_vectors
    from isic.similarity import class_vectors, similarity_matrix
    from isic.training import infer

    if classifier is None and weights is None:
        raise InputError("similarity needs --weights (a pretrained backbone) or --classifier.")
    table = read_index(index)
    names, train = classes(table), trained(table)
    # f5 of a network that learnt other classes; of one that learnt to tell these apart, f3, the
    # only stage that still describes what they share (docs/results.md).
    if classifier is None:
        network, stage = Network(backbone, weights).eval(), 2
    else:
        fused, _ = load_network(classifier, outputs=len(names), fused=True)
        network, stage = fused.backbone, 0
    network.to(pick_device())
    batches = infer(
        load_images(images, table, train), lambda x, _: image_vectors(network(x)[stage]), crop=crop
    )
    means = class_vectors(batches, class_ids(table)[train], len(names), dimensions)
    matrix = similarity_matrix(means)
    with new_hdf5(output, {**made_of(), "units": "cosine", "axes": "class i, class j"}) as file:
        file["similarity"] = matrix
        file["class_vectors"] = means
        file["class"] = np.array(names, dtype=object)
    for gamma in (0.1, 0.2, 0.3, 0.4, 0.5):
        others = (matrix > gamma).sum(1).mean() - 1
        print(f"γ = {gamma}: {others:.1f} other classes are similar on average")


@app.command(cls=Command)
def classifier(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    similarity: Annotated[
        Path | None, typer.Option(help="similarity.h5; λ > 0 and --batches similar need it.")
    ] = None,
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    channels: Channels = 128,
    lam: Annotated[float, typer.Option(min=0, help="λ of Eq. 6.")] = 1.0,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
    batches: Annotated[
        str, typer.Option(help="Classes of a batch: similar (near each other in S) or random.")
    ] = "similar",
    crop: Crop = 224,
    epochs: Epochs = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    dropout: Dropout = 0.5,
    classes_per_batch: Annotated[int, typer.Option(min=1, help="P, classes a batch.")] = 16,
    images_per_class: Annotated[int, typer.Option(min=1, help="K, images a class.")] = 4,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train the classifier with L_CE + λ·L_ICFS (Section 3.4)."""
    import torch

    from isic.artifacts import write_csv
    from isic.checkpoint import Checkpoint
    from isic.classifier import train_classifier
    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.devices import reproducible
    from isic.distributed import rank, together
    from isic.events import event_log
    from isic.models.files import save_network
    from isic.models.fusion import FusionNetwork
    from isic.similarity import read_similarity, similar_classes

    checkpoint = Checkpoint(output, made_of())
    table = read_index(index)
    names = classes(table)
    similar = matrix = None
    if batches not in ("similar", "random"):
        raise InputError(f"--batches {batches}: must be similar or random.")
    if similarity is None and (lam > 0 or batches == "similar"):
        what = "λ > 0" if lam > 0 else "--batches similar"
        raise InputError(f"{what} needs --similarity: the file that isic similarity writes.")
    if similarity is not None:
        matrix, known = read_similarity(similarity)
        if known != names:
            raise InputError(f"{similarity}: its classes are not the index's. Make it again.")
        similar = similar_classes(matrix, gamma)
        if lam > 0 and not similar.any():
            print(
                f"warning: no two classes are similar at γ = {gamma}: ICFS has nothing to compare "
                "and is 0. Lower gamma, or expect what λ = 0 gives."
            )
    train = trained(table)
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "channels": channels, "outputs": len(names), "dropout": dropout}
    network = FusionNetwork(weights=weights, **shape)
    with (
        reproducible(deterministic),
        together(),
        event_log(tensorboard if rank() == 0 else None, "classifier") as log,
    ):
        history = train_classifier(
            network,
            pixels,
            labels,
            similar,
            lam=lam,
            near=matrix if batches == "similar" else None,
            classes_per_batch=classes_per_batch,
            images_per_class=images_per_class,
            crop=crop,
            epochs=epochs,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            precision=precision,
            seed=seed,
            log=log,
            checkpoint=checkpoint,
            image_ids=table["image_id"].to_numpy()[train],
        )
    if rank() > 0:
        return
    write_csv(history, curves)
    save_network(output, network, {"kind": "fusion", **shape}, made_of())
    checkpoint.remove()


def _some(names: list[str]) -> str:
    """How many images, and which, in a few words."""
    return f"{len(names)} images ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


@app.command(cls=Command)
def features(
    index: Index,
    images: Images,
    classifier: Annotated[Path, typer.Argument(help="classifier.safetensors.")],
    output: Output,
    shard: Annotated[int, typer.Option(min=0, help="Which shard of classes.")] = 0,
    shards: Annotated[int, typer.Option(min=1, help="Shards in all.")] = 1,
    crop: Crop = 224,
    precision: Precision = "float32",
) -> None:
    """Write the fused feature maps of one shard's training images."""
    import numpy as np

    from isic.data.index import class_ids, classes, read_index
    from isic.data.pack import load_images
    from isic.features import fused_maps, write_features
    from isic.models.files import load_network
    from isic.shards import shard as part

    table = read_index(index)
    names, labels = classes(table), class_ids(table)
    chosen = np.isin(labels, part(len(names), shard, shards))
    chosen &= (table["split"] == "train").to_numpy()
    if not chosen.any():
        raise InputError(
            f"features.shards: {shards} shards for {len(names)} classes; lower it to {len(names)}."
        )
    network, _ = load_network(classifier, outputs=len(names), fused=True)
    pixels = load_images(images, table, chosen)
    image_ids = table["image_id"].to_numpy()[chosen]
    maps = fused_maps(network, pixels, crop, precision)
    dead = write_features(output, maps, image_ids, labels[chosen], made_of())
    if dead:
        print(f"warning: the feature maps of {_some(dead)} are zero everywhere: no mask for them.")
    for number in np.unique(labels[chosen]):
        own = image_ids[labels[chosen] == number]
        if set(own) <= set(dead):
            print(
                f"warning: the feature maps of class {names[number]} are zero everywhere, in all "
                f"{len(own)} images: train the classifier longer, or with a lower lam."
            )


@app.command(cls=Command)
def directions(
    features: Annotated[Path, typer.Argument(help="One shard of feature maps.")],
    output: Output,
    solver: Annotated[str, typer.Option(help="gram (exact) or sklearn (iterative).")] = "gram",
    compress: Annotated[
        float, typer.Option(min=0.01, max=1, help="Exponent on the feature maps.")
    ] = 1.0,
) -> None:
    """The projection direction of each class: rank-1 NMF (Section 3.5)."""
    import numpy as np

    from isic.artifacts import FEATURES, new_hdf5, open_hdf5
    from isic.nmf import class_direction

    with open_hdf5(features, FEATURES) as file:
        labels = file["label"][:]
        found = np.unique(labels)
        vectors = [
            class_direction(file["features"], np.flatnonzero(labels == c), solver, compress)
            for c in found
        ]
    dead = [int(c) for c, v in zip(found, vectors, strict=True) if not v.any()]
    if dead:
        print(f"warning: the feature maps of classes {dead} are zero everywhere: they get no mask.")
    with new_hdf5(output, {**made_of(), "compress": compress, "axes": "class, channel"}) as file:
        file["label"] = found
        file["direction"] = np.stack(vectors)


@app.command(cls=Command)
def masks(
    features: Annotated[Path, typer.Argument(help="One shard of feature maps.")],
    directions: Annotated[Path, typer.Argument(help="The shard's directions.")],
    output: Output,
    size: Annotated[int, typer.Option(min=32, help="R: side of a mask, pixels.")] = 256,
    foreground: Annotated[
        float, typer.Option(min=0, help="Object: above this multiple of the class's mean.")
    ] = 1.5,
    background: Annotated[
        float, typer.Option(min=0, help="Background: below this multiple of it.")
    ] = 1.0,
) -> None:
    """Write the pseudo-masks of one shard's training images."""
    from isic.artifacts import DIRECTIONS, FEATURES, open_hdf5, strings
    from isic.masks import write_masks

    if background > foreground:
        raise InputError(
            f"masks.background ({background}) is above masks.foreground ({foreground}): swap them."
        )
    with open_hdf5(features, FEATURES) as maps, open_hdf5(directions, DIRECTIONS) as found:
        image_ids = strings(maps["image_id"])
        shares = write_masks(
            output, maps, found, size, made_of(), foreground=foreground, background=background
        )
    print(
        f"{len(shares)} masks, object on {shares.mean():.1%} of the pixels on average; "
        f"{(shares == 0).sum()} empty, {(shares > 0.95).sum()} over the whole image"
    )
    if empty := [name for name, share in zip(image_ids, shares, strict=True) if share == 0]:
        print(f"warning: the pseudo-masks of {_some(empty)} are empty: they teach nothing.")


@app.command(cls=Command)
def segmenter(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    masks: Annotated[list[Path], typer.Option(help="A shard of pseudo-masks; repeat for each.")],
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    channels: Channels = 128,
    crop: Crop = 224,
    epochs: Epochs = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    batch_size: BatchSize = 64,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train the class-agnostic segmenter on the pseudo-masks (Section 3.6)."""
    import numpy as np
    import torch

    from isic.artifacts import write_csv
    from isic.checkpoint import Checkpoint
    from isic.data.index import read_index, trained
    from isic.data.pack import load_images
    from isic.devices import reproducible
    from isic.distributed import rank, together
    from isic.events import event_log
    from isic.masks import nonempty, read_masks
    from isic.models.files import save_network
    from isic.models.fusion import FusionNetwork
    from isic.segmenter import train_segmenter

    checkpoint = Checkpoint(output, made_of())
    table = read_index(index)
    train = trained(table)
    pixels = load_images(images, table, train)
    targets = read_masks(masks, table["image_id"].to_numpy()[train])
    targets = targets[:] if isinstance(pixels, np.ndarray) else targets
    if not nonempty(masks):
        raise InputError(
            f"{masks[0]}: no pseudo-mask of any shard marks an object. Lower masks.foreground, or "
            "train the classifier longer: look at check.html."
        )
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "channels": channels, "outputs": 1}
    network = FusionNetwork(weights=weights, **shape)
    with (
        reproducible(deterministic),
        together(),
        event_log(tensorboard if rank() == 0 else None, "segmenter") as log,
    ):
        history = train_segmenter(
            network,
            pixels,
            targets,
            crop=crop,
            epochs=epochs,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            precision=precision,
            seed=seed,
            log=log,
            checkpoint=checkpoint,
            image_ids=table["image_id"].to_numpy()[train],
        )
    if rank() > 0:
        return
    write_csv(history, curves)
    save_network(output, network, {"kind": "fusion", **shape}, made_of())
    checkpoint.remove()


@app.command(cls=Command)
def recognizer(
    index: Index,
    images: Images,
    output: Output,
    curves: Curves,
    weights: Weights = None,
    backbone: Backbone = "resnet50",
    crop: Crop = 224,
    epochs: Annotated[
        int, typer.Option(min=0, help="Passes over the training images; 0: the weights' own head.")
    ] = 32,
    learning_rate: LearningRate = 0.02,
    backbone_learning_rate: BackboneRate = 0.002,
    momentum: Momentum = 0.9,
    weight_decay: WeightDecay = 1e-4,
    dropout: Dropout = 0.5,
    batch_size: BatchSize = 64,
    precision: Precision = "float32",
    seed: Seed = 0,
    deterministic: Deterministic = False,
    tensorboard: TensorBoard = None,
) -> None:
    """Train a plain classification network: it names classes, and gives the usual CAM."""
    import pandas as pd
    import torch

    from isic.artifacts import write_csv
    from isic.checkpoint import Checkpoint
    from isic.data.index import class_ids, classes, read_index, trained
    from isic.data.pack import load_images
    from isic.devices import reproducible
    from isic.distributed import rank, together
    from isic.events import event_log
    from isic.models.files import save_network
    from isic.models.fusion import PlainNetwork
    from isic.recognizer import train_recognizer

    checkpoint = Checkpoint(output, made_of())
    table = read_index(index)
    train = trained(table)
    torch.manual_seed(seed)
    shape = {"backbone": backbone, "outputs": len(classes(table)), "dropout": dropout}
    network = PlainNetwork(weights=weights, **shape)
    if epochs == 0:  # `images` may hold no training image
        if weights is None:
            raise InputError("recognizer: --epochs 0 needs --weights, whose classes it takes.")
        network.adopt_head(weights)
        write_csv(pd.DataFrame(columns=["epoch", "loss", "accuracy"]), curves)
        save_network(output, network, {"kind": "plain", **shape}, made_of())
        return
    pixels, labels = load_images(images, table, train), class_ids(table)[train]
    with (
        reproducible(deterministic),
        together(),
        event_log(tensorboard if rank() == 0 else None, "recognizer") as log,
    ):
        history = train_recognizer(
            network,
            pixels,
            labels,
            crop=crop,
            epochs=epochs,
            learning_rate=learning_rate,
            backbone_learning_rate=backbone_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            precision=precision,
            seed=seed,
            log=log,
            checkpoint=checkpoint,
            image_ids=table["image_id"].to_numpy()[train],
        )
    if rank() > 0:
        return
    write_csv(history, curves)
    save_network(output, network, {"kind": "plain", **shape}, made_of())
    checkpoint.remove()


@app.command(cls=Command)
def topk(
    index: Index,
    images: Images,
    recognizer: Annotated[Path, typer.Argument(help="recognizer.safetensors.")],
    output: Output,
    k: Annotated[int, typer.Option(min=1, help="How many classes an image.")] = 5,
    crop: Crop = 224,
    precision: Precision = "float32",
) -> None:
    """Name the k best classes of each test image."""
    import numpy as np
    import pandas as pd

    from isic.artifacts import write_csv
    from isic.data.index import classes, evaluated, read_index
    from isic.data.pack import load_images
    from isic.models.files import load_network
    from isic.recognizer import best_classes

    table = read_index(index)
    names = np.array(classes(table), dtype=object)
    chosen = evaluated(table)
    pixels = load_images(images, table, chosen)
    best, probabilities = best_classes(
        load_network(recognizer, outputs=len(names))[0],
        pixels,
        min(k, len(names)),
        crop=crop,
        precision=precision,
    )
    columns = {"image_id": table["image_id"].to_numpy()[chosen]}
    columns |= {f"class{i + 1}": names[best[:, i]] for i in range(best.shape[1])}
    columns |= {f"p{i + 1}": probabilities[:, i].round(6) for i in range(best.shape[1])}
    write_csv(pd.DataFrame(columns), output)


@app.command(cls=Command)
def maps(
    index: Index,
    images: Images,
    network: Annotated[Path, typer.Argument(help="Classifier, recognizer or segmenter.")],
    output: Output,
    kind: Annotated[str, typer.Option(help="cam, nmf or segmenter.")],
    directions: Annotated[
        list[Path] | None, typer.Option(help="For nmf: a shard of directions; repeat for each.")
    ] = None,
    crop: Crop = 224,
    precision: Precision = "float32",
) -> None:
    """Localisation maps of the test images, whole and centre crop.

    Units: a plain network's CAM is a share of the map's own maximum, a fused network's CAM a
    multiple of the map's own mean, NMF a multiple of the mean of the class's training maps, the
    segmenter's a probability.
    """
    import numpy as np

    from isic.artifacts import new_hdf5
    from isic.data.index import class_ids, classes, evaluated, read_index
    from isic.data.pack import load_images
    from isic.maps import cam, in_unit, localisation_maps, nmf
    from isic.maps import segmenter as segmenter_maps
    from isic.models.files import load_network
    from isic.models.fusion import FusionNetwork
    from isic.projection import read_directions

    if kind not in ("cam", "nmf", "segmenter"):
        raise InputError(f"--kind {kind}: must be cam, nmf or segmenter.")
    table = read_index(index)
    chosen = evaluated(table)
    pixels, labels = load_images(images, table, chosen), class_ids(table)[chosen]
    outputs = 1 if kind == "segmenter" else len(classes(table))
    model, _ = load_network(network, outputs=outputs, fused=kind != "cam")
    unit = None
    if kind == "cam":
        function = cam(model, labels)
        unit = "mean" if isinstance(model, FusionNetwork) else "maximum"
    elif kind == "nmf":
        function = nmf(model, *read_directions(directions or [], outputs), labels)
    else:
        function = segmenter_maps(model)
    units = {"cam": f"the map's {unit}", "nmf": "mean of the class's maps", "segmenter": "sigmoid"}
    attributes: dict[str, object] = dict(made_of())
    attributes |= {"resize": pixels.shape[1], "crop": crop, "units": units[kind], "kind": kind}
    attributes |= {"relative": kind != "segmenter", "axes": "image, y, x"}
    with new_hdf5(output, attributes) as file:
        file["image_id"] = table["image_id"].to_numpy()[chosen].astype(object)
        for view in ("full", "crop"):
            values = localisation_maps(
                model, pixels, function, side=crop, view=view, precision=precision
            )
            values = in_unit(values, unit) if unit else values
            file[view] = values.clip(max=np.finfo(np.float16).max).astype(np.float16)


Protocols = Annotated[str, typer.Option(help="Names from crop, resize, original, by commas.")]
Truth = Annotated[Path, typer.Argument(help="truth.csv: the true boxes.")]
TopK = Annotated[Path, typer.Argument(help="topk.csv: the recognizer's best classes.")]


@app.command(cls=Command)
def boxes(
    index: Index,
    maps: Annotated[Path, typer.Argument(help="maps.h5.")],
    output: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: boxes from whole images.")
    ],
    crop_output: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: boxes from centre crops.")
    ],
    threshold: Annotated[
        float, typer.Option(min=0, help="Cut, in the unit of the maps: `isic maps --help`.")
    ] = 0.5,
) -> None:
    """Boxes of the test images: cut, largest component, its bounding box."""
    from isic.artifacts import write_csv
    from isic.boxes import extract
    from isic.data.index import evaluated, read_index

    images = read_index(index)
    ids = images["image_id"].iloc[evaluated(images)]
    for table, path in zip(extract(images, maps, threshold), (output, crop_output), strict=True):
        write_csv(table, path)
        print(f"{path.name}: {len(table)} boxes")
        if missing := ids[~ids.isin(table["image_id"])].tolist():
            print(f"warning: {path.name}: no box in {_some(missing)}: nothing is above the cut.")


@app.command(cls=Command)
def scores(
    index: Index,
    truth: Truth,
    boxes: Annotated[Path, typer.Argument(help="boxes.csv.")],
    crop_boxes: Annotated[Path, typer.Argument(help="crop_boxes.csv.")],
    topk: TopK,
    maps: Annotated[Path, typer.Argument(help="maps.h5, for the oracle MaxBoxAcc.")],
    output: Output,
    model: Annotated[str, typer.Option(help="The model's name in the tables.")],
    backbone: Backbone,
    threshold_rule: Annotated[str, typer.Option(help="How the cut was chosen, in words.")],
    seed: Seed = 0,
    lam: Annotated[float | None, typer.Option(help="λ of the network's training.")] = None,
    gamma: Annotated[float | None, typer.Option(help="γ of the network's training.")] = None,
    protocols: Protocols = "crop,resize,original",
    resize: Resize = 256,
    crop: Crop = 224,
) -> None:
    """Score one run's boxes under the named protocols."""
    from isic.artifacts import write_json
    from isic.boxes import read_boxes
    from isic.data.index import read_index, read_truth
    from isic.scores import read_topk, score

    result = score(
        read_index(index),
        read_truth(truth),
        read_boxes(boxes),
        read_boxes(crop_boxes),
        read_topk(topk),
        maps=maps,
        model=model,
        backbone=backbone,
        threshold=threshold_rule,
        seed=seed,
        lam=lam,
        gamma=gamma,
        protocols=protocols.split(","),
        resize=resize,
        crop=crop,
    )
    write_json(result, output)


@app.command(cls=Command)
def trivial(
    index: Index,
    truth: Truth,
    topk: TopK,
    output: Output,
    protocols: Protocols = "crop,resize,original",
    resize: Resize = 256,
    crop: Crop = 224,
) -> None:
    """Score boxes that look at nothing: the whole image, centred boxes."""
    from isic.artifacts import write_json
    from isic.data.index import read_index, read_truth
    from isic.scores import read_topk, score_trivial

    result = score_trivial(
        read_index(index),
        read_truth(truth),
        read_topk(topk),
        protocols=protocols.split(","),
        resize=resize,
        crop=crop,
    )
    write_json(result, output)


@app.command(cls=Command)
def model(
    index: Index,
    segmenter: Annotated[Path, typer.Argument(help="segmenter.safetensors.")],
    output: Output,
    recognizer: Annotated[
        Path | None, typer.Option(help="Network that names the class: recognizer or classifier.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="An object is above this, of the sigmoid.")
    ] = 0.8,
    resize: Resize = 256,
    crop: Crop = 224,
    precision: Precision = "float32",
    recognizer_resize: Annotated[int, typer.Option(min=32, help="Pixels.")] = 256,
    recognizer_crop: Annotated[int, typer.Option(min=32, help="Pixels.")] = 224,
    recognizer_precision: Precision = "float32",
) -> None:
    """Put all that `isic predict` needs into one file."""
    from isic.data.index import classes, read_index
    from isic.models.files import save_model

    settings = {"threshold": threshold, "resize": resize, "crop": crop, "precision": precision}
    settings["recognizer"] = {
        "resize": recognizer_resize,
        "crop": recognizer_crop,
        "precision": recognizer_precision,
    }
    made = made_of()
    made.pop("settings")  # they stand in the model by themselves
    save_model(output, segmenter, recognizer, settings, classes(read_index(index)), made)


@app.command(cls=Command)
def risk_coverage(
    index: Index,
    truth: Truth,
    boxes: Annotated[Path, typer.Argument(help="boxes.csv that `isic predict` wrote.")],
    output: Annotated[Path, typer.Argument(writable=True, help="CSV to write.")],
    figure: Annotated[Path, typer.Argument(writable=True, help="PNG to write.")],
) -> None:
    """How much the confidence is worth: misses among the most confident images, by their share."""
    import pandas as pd

    from isic.artifacts import write_csv
    from isic.boxes import read_boxes
    from isic.data.index import read_index, read_truth
    from isic.figures import risk_coverage as draw
    from isic.figures import save
    from isic.trust import confidence_and_hits, halves
    from isic.trust import risk_coverage as curve

    index_table, truth_table = read_index(index), read_truth(truth)
    curves = {}
    for split, part in confidence_and_hits(
        index_table, truth_table, read_boxes(boxes, "confidence")
    ).items():
        curves[split] = curve(*part)
        line = f"{split}: {part[1].mean():.1%} of {len(part[1])} images hit"
        if len(part[1]) > 1:
            more, less = halves(*part)
            line += f"; {more:.1%} of the more confident half, {less:.1%} of the rest"
        print(line)
    write_csv(pd.concat([c.assign(split=split) for split, c in curves.items()]), output)
    save(draw(curves), figure)


@app.command(cls=Command)
def table1(
    scores: Annotated[list[Path], typer.Argument(help="scores.json of each run.")],
    output: Output,
    published: Annotated[
        str, typer.Option(help="Whose published rows to print too: cub, imagenet or none.")
    ] = "none",
) -> None:
    """Table 1: published rows and this run's, each said to be what it is."""
    from isic.artifacts import write_csv
    from isic.tables import format_table, read_scores
    from isic.tables import table1 as table_1

    table = table_1(read_scores(scores), published)
    write_csv(table, output)
    print(format_table(table))


@app.command(cls=Command)
def ablation(
    scores: Annotated[list[Path], typer.Argument(help="scores.json of each row and seed.")],
    output: Output,
    seeds: Annotated[
        Path, typer.Argument(writable=True, help="CSV to write: each seed's own figures.")
    ],
    table: Annotated[int, typer.Option(min=2, max=4, help="2: components, 3: λ, 4: γ.")],
    published: Annotated[
        str, typer.Option(help="Whose published rows to print too: cub or none.")
    ] = "none",
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="scores.json of BASE where it is no row; repeat for each seed."),
    ] = None,
) -> None:
    """Table 2, 3 or 4: mean and spread over the seeds, difference to BASE (Section 4.3)."""
    from isic.artifacts import write_csv
    from isic.tables import ablation as ablation_table
    from isic.tables import format_table, read_scores

    means, each = ablation_table(read_scores(scores), table, published, read_scores(baseline or []))
    write_csv(each, seeds)
    write_csv(means, output)
    print(format_table(means))


def _named(option: str, items: list[str]) -> list[tuple[str, Path]]:
    """Values `NAME=PATH` of an option; a name may hold an = between spaces, as `λ = 0` does."""
    parts = [re.split(r"(?<! )=(?! )", item, maxsplit=1) for item in items]
    for item, part in zip(items, parts, strict=True):
        if len(part) < 2:
            raise InputError(f"{option} {item}: write NAME=PATH.")
    return [(name, Path(path)) for name, path in parts]


@app.command(cls=Command)
def figure_similarity(
    similarity: Annotated[Path, typer.Argument(help="similarity.h5.")],
    output: Output,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
) -> None:
    """The inter-class similarity matrix, similar classes side by side (Figure 4c)."""
    from isic.figures import save
    from isic.figures import similarity as draw
    from isic.similarity import read_similarity

    save(draw(*read_similarity(similarity), gamma), output)


@app.command(cls=Command)
def figure_loss_curves(
    output: Output,
    curves: Annotated[
        list[str], typer.Option(help="NAME=curves.csv of an arm; repeat for each seed and arm.")
    ],
) -> None:
    """The classifier's cross-entropy and ICFS by epoch (Figures 4d and 4e)."""
    from isic.figures import loss_curves, read_curves, save

    arms = {}
    for name, path in _named("--curves", curves):
        arms.setdefault(name, []).append(read_curves(path))
    save(loss_curves(arms), output)


@app.command(cls=Command)
def figure_localization(
    index: Index,
    images: Images,
    truth: Truth,
    output: Output,
    run: Annotated[list[str], typer.Option(help="NAME=FOLDER with maps.h5, boxes.csv; repeat.")],
    rows: Annotated[int, typer.Option(min=1, help="Images to show.")] = 6,
) -> None:
    """Test images in rows with each run's map, its box and the true box (Figure 5)."""
    from isic.data.index import read_index, read_truth
    from isic.data.pack import load_images
    from isic.figures import localization, read_run, save

    table = read_index(index)
    runs = {name: read_run(folder) for name, folder in _named("--run", run)}
    save(localization(table, load_images(images, table), read_truth(truth), runs, rows), output)


@app.command(cls=Command)
def figure_similar_classes(
    index: Index,
    images: Images,
    similarity: Annotated[Path, typer.Argument(help="similarity.h5.")],
    output: Output,
    gamma: Annotated[float, typer.Option(min=-1, max=1, help="γ: similar is S > γ.")] = 0.3,
) -> None:
    """Groups of similar classes, an image of each (Figure 6)."""
    from isic.data.index import read_index
    from isic.data.pack import load_images
    from isic.figures import save, similar_classes
    from isic.similarity import read_similarity

    table = read_index(index)
    matrix, names = read_similarity(similarity)
    save(similar_classes(matrix, names, gamma, table, load_images(images, table)), output)


@app.command(cls=Command)
def summary(
    folder: Annotated[Path, typer.Argument(help="results/DATASET: what the run left.")],
    output: Output,
    settings: Annotated[str, typer.Option(help="The data set's settings, to show: JSON.")] = "{}",
) -> None:
    """One page on a run: counts, tables, warnings, times and memory, settings, versions."""
    import json

    from isic.artifacts import atomic
    from isic.report import summarize

    try:
        shown = json.loads(settings)
    except ValueError as error:
        raise InputError(f"--settings: no JSON ({error}).") from error
    page = summarize(folder, shown)
    with atomic(output) as part:
        part.write_text(page, encoding="utf-8")


def main() -> None:
    """Run the command; an error that a person can mend is one line and exit status 1."""
    # Sums are split among threads, and with another number of them the last digits differ, from
    # which a training goes elsewhere: so the number does not follow the machine's or `--cores`.
    libraries = ("OMP", "MKL", "OPENBLAS")
    os.environ.update({f"{library}_NUM_THREADS": str(THREADS) for library in libraries})
    end_with_the_workflow()
    sys.excepthook, sys.unraisablehook = _without_disk_faults, _without_disk_faults_within
    # OpenMP's threads spin while they wait, without end where there are as many as cores: as soon
    # as another process wants a core, a training is ten times slower. A short spin costs nothing
    # alone, and a fifth as much then. torch's OpenMP reads this when it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if os.environ.get("RANK", "0") != "0":  # of several, the others say the same again
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        typer.main.get_command(app)(arguments, prog_name="isic")  # app() sets a hook of its own
    except Exception as error:
        message = _explanation(error)
        if message is None or len(arguments) < len(sys.argv) - 1:
            raise
        print(f"isic: {message}", file=sys.stderr, flush=True)
        artifacts = sys.modules.get("isic.artifacts")
        if artifacts and artifacts.unwritable:
            # HDF5 would try once more to write, at exit, and crash: nothing is left to be done.
            sys.stdout.flush()
            os._exit(1)
        sys.exit(1)


def _without_disk_faults(kind: Any, error: Any, trace: Any) -> None:
    """HDF5's objects that cannot be written print a traceback each, before the error is raised."""
    if not disk_fault(error):
        sys.__excepthook__(kind, error, trace)


def _without_disk_faults_within(unraisable: Any) -> None:
    if not disk_fault(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


def end_with_the_workflow() -> None:
    """End this process when the Snakemake that started it is gone, even killed by SIGKILL.

    Nobody waits for its work then, and a workflow started again would do the same beside it.
    """
    workflow = int(os.environ.get("ISIC_WORKFLOW", "0"))  # set by rules/common.smk
    if not workflow or not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(workflow)
    except OSError:  # of another machine or container
        return

    def wait() -> None:
        select.select([handle], [], [])  # readable when the process ends
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _explanation(error: Exception) -> str | None:
    """What a person can do about an error, in one line; None for a defect of the program."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or re.search("out of memory|can't allocate", str(error)):
        return (
            "not enough memory. Lower batch_size, or classes_per_batch and images_per_class, or "
            "crop; or run fewer jobs at a time."
        )
    if isinstance(error, OSError) and error.errno:
        what = error.filename or error.filename2 or "a file"
        return f"{what}: {error.strerror}. Mend that, then run the same command again."
    return None


if __name__ == "__main__":
    main()
