"""The image files that arguments of a command name."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from isic.data.image import SUFFIXES
from isic.product.predictions import ABOUT


def find_images(arguments: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    """Image files that files, folders and globs name, each once, in order.

    Folders are searched with all folders in them, for names that end as image files do; hidden
    ones are left out, and those that `isic predict` wrote. A file that is named itself may be
    called anything.

    Returns:
        The files, and for each argument that names none the reason.
    """
    found: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            files = _images_below(path)
        elif os.path.lexists(path):
            files = [path]
        else:
            matches = map(Path, sorted(glob.glob(argument, recursive=True)))
            files = [file for match in matches for file in _named(match)]
            if not files and glob.has_magic(argument):
                problems[argument] = "matches no image"
            elif not files:
                problems[argument] = "no such file or folder"
        if not files and argument not in problems:
            problems[argument] = "no image in this folder"
        for file in files:
            found.setdefault(os.path.abspath(file), file)
    return list(found.values()), problems


def _named(match: Path) -> list[Path]:
    return _images_below(match) if match.is_dir() else [match]


def _images_below(folder: Path) -> list[Path]:
    files = []
    for base, folders, names in os.walk(folder):
        if ABOUT in names:  # predictions, perhaps of these very images: masks and overlays
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = [name for name in sorted(names) if not name.startswith(".")]
        files += [Path(base, n) for n in shown if Path(n).suffix.lower() in SUFFIXES]
    return files


def common_root(files: Sequence[Path]) -> Path:
    """The deepest folder that holds all files, absolute."""
    return Path(os.path.commonpath([os.path.abspath(file.parent) for file in files]))
