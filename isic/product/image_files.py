"""The image files that arguments of a command name."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from isic.data.walk import Walk, few, is_image, is_made, is_unread, remarks, walk
from isic.errors import is_utf8, printable

NO_UTF8 = "the name is not UTF-8. Rename it; `convmv` does it for whole folders"


class Named(NamedTuple):
    """What arguments name.

    Attributes:
        files: images, each once, in order.
        problems: of arguments that name none, folders that cannot be opened and images that cannot
            be taken, why; in words for people, below `common_root` of the files.
        left_out: what the folders hold besides, a line a kind.
    """

    files: list[Path]
    problems: dict[str, str]
    left_out: list[str]


def find_images(arguments: Sequence[str]) -> Named:
    """Image files that files, folders and globs name.

    Folders are searched with all folders in them, see `isic.data.walk`, for names that end as
    image files do. A file that is named itself may be called anything.
    """
    # A shell's `photos/*` names @eaDir, too.
    made = [argument for argument in arguments if is_made(argument)]
    if made and len(made) < len(arguments):
        arguments = [argument for argument in arguments if argument not in made]
        left_out = [f"{len(made)} files and folders of the system left out: {few(made)}"]
    else:
        left_out = []
    found: dict[str, Path] = {}
    arguments_without: dict[str, str] = {}
    lost: dict[Path, str] = {}
    for argument in arguments:
        there = os.path.lexists(argument)
        matches = [argument] if there else sorted(glob.glob(argument, recursive=True))
        if not is_made(argument):
            matches = [match for match in matches if not is_made(match)]
        files: list[Path] = []
        said: list[str] = []
        for match in map(Path, matches):
            if not match.is_dir():
                files.append(match)
                continue
            below = walk(match)
            files += [match / file for file in below.files if is_image(file)]
            lost |= {match / file: why for file, why in _lost(below).items()}
            said += remarks(below)
            left_out += [f"{match}: {line}" for line in remarks(_besides(below))]
        if not files:
            reason = "no image in this folder" if there else "no such file or folder"
            reason = "matches no image" if glob.has_magic(argument) and not there else reason
            arguments_without[printable(argument)] = ". ".join([reason, *said]).removesuffix(".")
        for file in files:
            found.setdefault(os.path.abspath(file), file)
    files = list(found.values())
    names = image_ids(files)
    lost |= {file: NO_UTF8 for file, name in zip(files, names, strict=True) if not is_utf8(name)}
    root = common_root(files) if files else Path()
    problems = {printable(_below(path, root)): reason for path, reason in lost.items()}
    taken = [file for file in files if file not in lost]
    return Named(taken, arguments_without | problems, left_out)


def _lost(below: Walk) -> dict[str, str]:
    """Of folders that cannot be opened, and of images of kinds that are not read, why."""
    unread = {
        file: f"{PurePath(file).suffix} is not read. Convert it to PNG or JPEG"
        for file in filter(is_unread, below.files)
    }
    return {path: f"cannot be opened ({why})" for path, why in below.closed.items()} | unread


def _besides(below: Walk) -> Walk:
    """What was found, without what `_lost` has."""
    files = [file for file in below.files if not is_unread(file)]
    return dataclasses.replace(below, files=files, closed={})


def _below(path: Path, root: Path) -> str:
    """A path as seen from the root, or, where it is not below it, as it is."""
    seen = os.path.relpath(path, root)
    return str(path) if seen.startswith("..") else seen


def common_root(files: Sequence[Path]) -> Path:
    """The deepest folder that holds all files, absolute."""
    return Path(os.path.commonpath([os.path.abspath(file.parent) for file in files]))


def image_ids(files: Sequence[Path]) -> list[str]:
    """The files' paths below the folder that all have in common, with `/`."""
    root = common_root(files) if files else Path()
    return [os.path.relpath(file, root).replace(os.sep, "/") for file in files]
