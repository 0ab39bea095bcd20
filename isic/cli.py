"""The `isic` command: puts the commands together, and says errors in one line."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import click

from isic.commands.running import command
from isic.errors import InputError
from isic.process import (
    DEFECT,
    INTERRUPTED,
    end_with_the_workflow,
    name_user,
    open_streams,
    processes,
    rank,
    take_any_name,
)
from isic.storage.faults import disk_fault, fault_file, fault_number, remedy

PEOPLE = ("run", "init", "check", "predict", "export", "show")
STAGES = (
    *("birds", "fetch", "unpack", "index", "truth", "images", "similarity"),
    *("classifier", "features", "directions", "masks", "segmenter", "recognizer", "topk"),
    *("maps", "boxes", "scores", "model", "table", "figure", "summary"),
)
FIGURES = ("similarity", "loss-curves", "localization", "similar-classes", "risk-coverage")
RENAMED = {
    "weights": "fetch",
    "image-shard": "images --store jpeg --shard",
    "join-shards": "images --join",
    "trivial": "scores",
    "table1": "table 1",
    "ablation": "table",
    **{f"figure-{name}": f"figure {name}" for name in FIGURES[:-1]},
    "risk-coverage": "figure risk-coverage",
}
HELP = """ISIC: boxes and masks from image labels alone (Wei et al., ECCV 2022).

\b
From labelled folders to boxes:
  isic run PHOTOS                                     writes PHOTOS-boxes
  isic export coco PHOTOS-boxes photos.json
  isic predict PHOTOS-boxes/model.safetensors NEW_PHOTOS

The other commands are the stages of the workflow, each of which can be run by hand. Exit status: 0
done, 1 bad input or settings, 2 wrong options, 3 done but for some images that cannot be read, 70 a
defect of the program, 130 interrupted. An error is one line; with --debug, anywhere, it shows where
it arose."""


class Commands(click.Group):
    """The commands: what people use first, each with its whole first line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*PEOPLE, *STAGES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in RENAMED:
            raise InputError(f"isic {cmd_name} is now isic {RENAMED[cmd_name]}: see its --help.")
        if cmd_name == "figure":
            return click.Group("figure", {name: command(f"figure {name}") for name in FIGURES},
                               help="Draw a figure of the paper, or of confidence.")  # fmt: skip
        return command(cmd_name) if cmd_name in (*PEOPLE, *STAGES) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in (("Commands", PEOPLE), ("Stages, as they follow", STAGES)):
            with formatter.section(title):
                commands = ((name, self.get_command(ctx, name)) for name in names)
                formatter.write_dl([(n, c.get_short_help_str(200)) for n, c in commands if c])


isic = click.version_option(package_name="isic", message="%(version)s")(
    Commands("isic", help=HELP, no_args_is_help=True)
)


def main() -> None:
    """Run the command; an error that a person can fix is one line and exit status 1."""
    open_streams()
    name_user()
    take_any_name()
    end_with_the_workflow()
    sys.excepthook, sys.unraisablehook = _without_disk_faults, _without_disk_faults_within
    if rank():  # of several, the others say the same again
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(isic.main(arguments, prog_name="isic", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "isic"
        print(f"isic: {error.format_message()} See {path} --help.", file=sys.stderr)
        sys.exit(2)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except Exception as error:
        message = _explanation(error)
        if message is None or len(arguments) < len(sys.argv) - 1:
            sys.excepthook = _show_and_exit
            raise
        print(f"isic: {message}", file=sys.stderr, flush=True)
        hdf5 = sys.modules.get("isic.storage.hdf5")
        if hdf5 and hdf5.unwritable:
            # HDF5 would try once more to write, at exit, and crash: nothing is left to be done.
            sys.stdout.flush()
            os._exit(1)
        sys.exit(1)


def _show_and_exit(kind: Any, error: Any, trace: Any) -> None:
    """A traceback; the exit status tells a defect of the program from bad input."""
    sys.__excepthook__(kind, error, trace)
    if _explanation(error) is None:
        print("isic: this is a defect of the program. Report it with these lines.", file=sys.stderr)
        sys.exit(DEFECT)
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
    if processes() > 1 and re.search("gloo|NCCL", str(error)):
        return f"another process of the training has ended ({str(error).partition('. ')[0]})."
    if isinstance(error, OSError) and (number := fault_number(error)):
        where = fault_file(error) or "a file that the system does not name"
        return f"{where}: {os.strerror(number)}. {remedy(number)}"
    return None


if __name__ == "__main__":
    main()
