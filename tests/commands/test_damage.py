"""Each command of the workflow, each of its files damaged in turn: one line, never a traceback.

The files have no records here, by which damage is else noticed before a command begins
(test_bad_input.py): a person made them, or another program.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from workflows import TARGETS, Workflow

from isic import cli
from isic.commands.running import given_paths

TRAININGS = ("classifier", "segmenter", "recognizer")  # another good file would train them


def commands(workflow: Workflow) -> list[list[str]]:
    """One command of each kind that leads to the targets, as Snakemake prints it."""
    done = workflow.run("--dry-run", "--forceall", *TARGETS)
    printed = re.findall(
        r"^(?:rule|checkpoint) (\w+):\n(?: .*\n)*^Shell command: (isic .*?) 2>&1", done.stdout, re.M
    )
    kinds: dict[tuple[str, ...], list[str]] = {}
    for rule, line in printed:
        words = shlex.split(line)
        kind = words[words.index("--kind") + 1] if "--kind" in words else ""
        kinds.setdefault((rule, kind), words)
    return list(kinds.values())


def files(words: list[str], written: bool) -> list[Path]:
    """The files that a command is given to write, or to read."""
    group = cli.isic.get_command(click.Context(cli.isic), words[1])
    command, rest = (
        (group.commands[words[2]], words[3:]) if words[1] == "figure" else (group, words[2:])
    )
    found = given_paths(command.make_context(words[1], rest), written)
    return [path for path in found if written or path.is_file()]


def damaged(path: Path, training: bool) -> Iterator[tuple[str, bytes]]:
    """The file, harmed in several ways; the last is one of another stage."""
    whole = path.read_bytes()
    yield "nothing", b""
    yield "text", b"hello,world\n1,2\n"
    yield "bytes", bytes(range(256))
    yield "half", whole[: len(whole) // 2]
    others = sorted(other for other in Path("results").rglob(f"*{path.suffix}") if other != path)
    if not training:
        yield from ((str(other), other.read_bytes()) for other in others[:1])


def test_no_damage_is_answered_with_a_traceback(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isic
):
    found = commands(workflow)
    assert {"index", "images", "masks", "maps", "scores", "table", "figure"} <= {
        c[1] for c in found
    }
    shutil.copytree(workflow.folder / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    for record in Path("results").rglob(".*.made.json"):
        record.unlink()
    tried, wrong = 0, []
    for words in found:
        outputs = {str(path): f"OUT/{path.name}" for path in files(words, written=True)}
        for path in files(words, written=False):
            whole = path.read_bytes()
            for harm, content in damaged(path, words[1] in TRAININGS):
                path.write_bytes(content)
                # Half a CSV may be a shorter one, and another network may serve as well.
                may_serve = harm.startswith("results") or (harm, path.suffix) == ("half", ".csv")
                try:
                    done = isic(*(outputs.get(word, word) for word in words[1:]))
                    fine = may_serve if done.status == 0 else done.status == len(done.said) == 1
                except Exception as error:
                    done, fine = error, False
                if not fine:
                    wrong.append(f"{words[1]}, {path}, {harm}: {done!r}")
                tried += 1
            path.write_bytes(whole)
    assert wrong == []
    assert tried > 200, tried
