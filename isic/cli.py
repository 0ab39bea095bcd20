"""The `isic` command: puts the commands together, and says errors in one line."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any

import click
import typer
from typer.core import TyperGroup

from isic.commands.running import Command
from isic.errors import InputError
from isic.process import THREADS, end_with_the_workflow, rank
from isic.storage.files import disk_fault

PEOPLE = ("init", "check", "predict", "export", "show")
COMMANDS = {  # where each stands in isic/commands; in the order of the help
    "init": "product",
    "check": "product",
    "predict": "product",
    "export": "product",
    "show": "product",
    "birds": "data",
    "fetch": "data",
    "unpack": "data",
    "weights": "data",
    "index": "data",
    "images": "data",
    "image-shard": "data",
    "join-shards": "data",
    "similarity": "method",
    "classifier": "method",
    "features": "method",
    "directions": "method",
    "masks": "method",
    "segmenter": "method",
    "recognizer": "method",
    "topk": "evaluation",
    "maps": "evaluation",
    "boxes": "evaluation",
    "scores": "evaluation",
    "trivial": "evaluation",
    "model": "product",
    "risk-coverage": "product",
    "table1": "evaluation",
    "ablation": "evaluation",
    "figure-similarity": "evaluation",
    "figure-loss-curves": "evaluation",
    "figure-localization": "evaluation",
    "figure-similar-classes": "evaluation",
    "summary": "evaluation",
}

UNRECORDED = ("init", "export", "show")  # what they write stands for itself


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


for _name, _folder in COMMANDS.items():
    _function = _name.replace("-", "_")
    _module = import_module(f"isic.commands.{_folder}.{_function}")
    app.command(_name, cls=None if _name in UNRECORDED else Command)(getattr(_module, _function))


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
    if rank():  # of several, the others say the same again
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        typer.main.get_command(app)(arguments, prog_name="isic")  # app() sets a hook of its own
    except Exception as error:
        message = _explanation(error)
        if message is None or len(arguments) < len(sys.argv) - 1:
            raise
        print(f"isic: {message}", file=sys.stderr, flush=True)
        hdf5 = sys.modules.get("isic.storage.hdf5")
        if hdf5 and hdf5.unwritable:
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
