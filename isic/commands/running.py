"""What every command does besides its work: a log, a record of each file, time and memory."""

from __future__ import annotations

import shlex
import sys
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any, get_type_hints

import click
from typer.core import TyperCommand

from isic.process import rank


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
            from isic.provenance.records import write_record

            made = made_of()
            result = super().invoke(ctx)
            for path in _paths(written=True) if rank() == 0 else ():
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
    from isic.provenance.records import provenance

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
