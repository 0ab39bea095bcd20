"""The one walk of folders: which files lie below one, and what is passed by, in words.

Links to folders are followed as folders are, but for those that lead back to where they lie.
Hidden files and folders, and those that systems make by themselves, are passed by.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from isic.errors import printable

READ = """.jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .webp .tif .tiff .gif .ppm .pgm .pbm .pnm
    .heic .heif .heics .heifs .hif .avif .avifs"""
OTHER = """.jxl .jp2 .j2k .jpx .jpf .jxr .psd .psb .xcf .svg .svgz .eps .ai .pdf .ico .icns .tga
    .exr .hdr .dds .pcx .dcm .dicom .nii .czi .lif .nd2 .svs .fits .fit .raw .dng .cr2 .cr3 .crw 
    .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .erf .kdc .mrw .iiq .insp"""
MADE = """@eadir|@tmp|@recycle|@recently-snapshot|@sharebin|@__thumb|#recycle|#snapshot|__macosx|\
lost+found|$recycle.bin|$recycle|recycler|system volume information|network trash folder|\
temporary items|thumbs.db|ehthumbs.db|ehthumbs_vista.db|desktop.ini|icon\r"""
SUFFIXES = frozenset(READ.split())  # of images that are read
UNREAD = frozenset(OTHER.split())  # of images that are not
SYSTEM = frozenset(MADE.split("|"))  # of NAS, Windows, macOS and file systems; in small letters
PREDICTIONS = "predictions.json"  # beside others that `isic predict` wrote:
WRITTEN = (PREDICTIONS, "images.csv", "boxes.csv", "masks", "overlays", "previews", "index.html")
LISTED = 3


@dataclass
class Walk:
    """What lies below a folder; paths are relative to it, with `/`.

    Attributes:
        files: in order: those of a folder by name, then those of the folders in it.
        folders: that were entered.
        closed: folders that cannot be opened, and why.
        passed: folders that were passed by and hold images.
        predicted: folders with predictions in them.
        loops: links that lead back to a folder which they lie in.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    predicted: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)


def walk(folder: str | os.PathLike[str]) -> Walk:
    """Walk a folder with all folders below it; it may itself be hidden, or a link."""
    found = Walk()
    _enter(os.fspath(folder), "", (os.path.realpath(folder),), found)
    return found


def _enter(folder: str, prefix: str, above: tuple[str, ...], found: Walk) -> None:
    """Add what lies in a folder. `above`: the real paths of it and the folders on the way to it."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        found.closed[prefix.rstrip("/") or "."] = error.strerror or str(error)
        return
    written = WRITTEN if any(entry.name == PREDICTIONS for entry in inside) else ()
    found.predicted += [prefix.rstrip("/")] * bool(written)
    folders = []
    for entry in inside:
        passed = is_passed(entry.name) or entry.name in written
        if not _is_folder(entry):
            found.files += [prefix + entry.name] * (not passed)
        elif passed:
            found.passed += [prefix + entry.name] * _holds_image(entry.path)
        else:
            folders.append(entry)
    for entry in folders:
        path, real = prefix + entry.name, os.path.join(above[-1], entry.name)
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if any(os.path.commonpath((real, one)) == real for one in above):
                found.loops.append(path)
                continue
        found.folders.append(path)
        _enter(entry.path, f"{path}/", (*above, real), found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that cannot be opened
        return False


def is_passed(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that a system makes by itself."""
    return name.startswith(".") or name.lower() in SYSTEM


def is_made(path: str) -> bool:
    """Whether a path leads through a folder that a system makes by itself."""
    return not SYSTEM.isdisjoint(path.lower().split("/"))


def is_image(name: str) -> bool:
    """Whether a name ends as those of images that are read do."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_unread(name: str) -> bool:
    """Whether a name ends as those of images that are not read do."""
    return PurePosixPath(name).suffix.lower() in UNREAD


def _holds_image(folder: str) -> bool:
    return any(is_image(name) for _, _, names in os.walk(folder) for name in names)


def remarks(found: Walk) -> list[str]:
    """What a walk passed by, a line a kind, with the remedy."""
    lines = []
    if found.closed:
        named = [f"{path} ({reason})" for path, reason in found.closed.items()]
        lines.append(f"{_count(named, 'folder')} cannot be opened, and left out: {few(named)}. "
                     "Make them readable.")  # fmt: skip
    if found.passed:
        lines.append(f"{_count(found.passed, 'folder')} with images left out, as hidden, made by "
                     f"the system or by `isic predict`: {few(found.passed)}")  # fmt: skip
    if found.loops:
        lines.append(f"{_count(found.loops, 'link')} not followed, leading back to a folder "
                     f"above: {few(found.loops)}")  # fmt: skip
    unread = [path for path in found.files if is_unread(path)]
    if unread:
        lines.append(f"{_count(unread, 'file')} of kinds that are not read left out: "
                     f"{kinds(unread)}, as {printable(unread[0])}. "
                     "Convert them to PNG or JPEG.")  # fmt: skip
    others = [path for path in found.files if not is_unread(path) and not is_image(path)]
    if others:
        are = "are no images" if len(others) > 1 else "is no image"
        lines.append(f"{_count(others, 'file')} that {are} by name left out: "
                     f"{kinds(others)}, as {printable(others[0])}. "
                     "Give an image its suffix.")  # fmt: skip
    return lines


def kinds(paths: Iterable[str]) -> str:
    """How many files of each suffix there are, in a few words."""
    counts = Counter(PurePosixPath(path).suffix.lower() or "without suffix" for path in paths)
    rest = sum(number for _, number in counts.most_common()[LISTED * 2 :])
    named = [f"{number} {printable(kind)}" for kind, number in counts.most_common(LISTED * 2)]
    return ", ".join([*named, *[f"{rest} others"] * bool(rest)])


def few(names: Sequence[str]) -> str:
    """The first names."""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(printable, names[:LISTED])) + more


def _count(things: Sequence[str], noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"
