"""What every command does besides its work: a log, a record of each file, time and memory."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from isic.commands.options import PathType, parameters, whole
from isic.process import rank, use_threads
from isic.provenance.digests import command_module
from isic.settings.kinds import Threads
from isic.settings.sections import Run
from isic.storage.files import around_replace, check_place, descriptor

UNRECORDED = ("run", "init", "export", "show")  # what they write stands for itself
# Whose results depend on the number of threads: they take it as an option.
COMPUTING = (
    *("similarity", "classifier", "features", "directions", "masks", "segmenter", "recognizer"),
    *("topk", "maps", "check", "predict"),
)


def command(stage: str) -> click.Command:
    """The command of a stage, made of the function of its name in its module."""
    name = stage.rpartition(" ")[2]
    function = getattr(import_module(command_module(stage)), name.replace("-", "_"))
    kind = Command if stage in UNRECORDED else Recorded

    def run(threads: int = Run.threads, **values: Any) -> Any:
        _begin(threads)
        return function(**whole(function, values))

    options = parameters(_begin) if stage in COMPUTING else []
    return kind(name, params=[*parameters(function), *options], callback=run, help=function.__doc__)


def _begin(threads: Threads = Run.threads) -> None:
    """Before a command's own imports."""
    use_threads(threads)


class Command(click.Command):
    """A command that begins only where its outputs can be written, and whose words do not get into
    what it writes to /dev/stdout."""

    def invoke(self, ctx: click.Context) -> Any:
        outputs = given_paths(ctx, writes=True)
        for path in outputs:
            check_place(path)
        with redirect_stdout(sys.stderr) if 1 in map(descriptor, outputs) else nullcontext():
            return self.work(ctx)

    def work(self, ctx: click.Context) -> Any:
        return super().invoke(ctx)


class Recorded(Command):
    """A command that says what it does, on what, how long it took and how much memory, takes only
    inputs that are as they were written, and keeps the provenance of what it writes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["arguments"] = shlex.join(args)
        return super().parse_args(ctx, args)

    def work(self, ctx: click.Context) -> Any:
        if not sys.stdout.isatty():
            print(f"isic {_stage(ctx)} {ctx.meta['arguments']}", flush=True)
        from isic.provenance.records import forget_checkpoints

        begin = time.perf_counter()
        files: list[Path] = []
        token = around_replace.set(_recorder(files))
        try:
            command_provenance()  # refuses a damaged input before the work
            result = super().work(ctx)
            if rank() == 0:
                forget_checkpoints(given_paths(ctx, writes=False))
            for path in files:
                print(f"written: {path}, {path.stat().st_size:,} bytes")
            return result
        finally:
            around_replace.reset(token)
            seconds = round(time.perf_counter() - begin, 1)
            print(f"{_stage(ctx)}: {seconds} s, at most {_memory()}", flush=True)


def command_provenance() -> dict[str, str]:
    """The provenance of what the command at hand writes, from its own arguments."""
    from isic.provenance.records import provenance

    ctx = click.get_current_context()
    if "provenance" not in ctx.meta:  # inputs may be large: read once
        paths = {p.name for p in ctx.command.params if isinstance(p.type, PathType)}
        settings = {name: value for name, value in ctx.params.items() if name not in paths}
        ctx.meta["provenance"] = provenance(_stage(ctx), settings, given_paths(ctx, writes=False))
    return dict(ctx.meta["provenance"])


def _recorder(files: list[Path]) -> Callable[[Path, Path], AbstractContextManager[None]]:
    """Keeps the record of each file that is moved into place, and its path."""

    @contextmanager
    def keep(part: Path, path: Path) -> Iterator[None]:
        from isic.provenance.records import is_artifact, recording

        if rank() or not is_artifact(path):
            yield
            return
        with recording(path, command_provenance(), part):
            yield
        files.append(path)

    return keep


def given_paths(ctx: click.Context, writes: bool) -> list[Path]:
    """The files and folders that a command was given to write, or to read."""
    values: list[Any] = []  # a path, several, none, or `(NAME, PATH)` each
    for parameter in ctx.command.params:
        if isinstance(parameter.type, PathType) and parameter.type.writes == writes:
            value = ctx.params[str(parameter.name)]
            values += value if isinstance(value, list | tuple) else filter(None, [value])
    return [value[1] if isinstance(value, tuple) else value for value in values]


def _stage(ctx: click.Context) -> str:
    return ctx.command_path.partition(" ")[2]


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
