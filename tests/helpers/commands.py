"""The `isic` command in this process, where torch is loaded already."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from isic.cli import main


class Run(NamedTuple):
    status: int
    error: list[str]  # lines
    output: list[str]

    @property
    def said(self) -> list[str]:
        """What of the error comes from `isic`, without progress bars."""
        lines = [line.rpartition("\r")[2] for line in self.error]
        return [line for line in lines if line.startswith("isic:")]

    @property
    def only_line(self) -> str:
        """The one line of an error, which nothing else stands beside but progress bars."""
        lines = [part for line in self.error for part in line.split("\r")]
        (line,) = (line for line in lines if line.strip() and "/s]" not in line)
        assert line.startswith("isic: "), line
        return line


def status(*words: object) -> int:
    """The exit status of `isic WORDS`; what it prints is printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["isic", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def started(command: str, folder: Path, *before: str, **options) -> Run:
    """A command in a process of its own."""
    words = [*before, sys.executable, "-m", "isic.cli", *command.split()]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, **options)
    return Run(done.returncode, done.stderr.splitlines(), done.stdout.splitlines())
