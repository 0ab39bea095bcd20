"""Archives from the network: checked, resumed, and never half there."""

from __future__ import annotations

import hashlib
import http.client
import lzma
import os
import re
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Self

from tqdm import tqdm

from isic.errors import InputError
from isic.storage.faults import fault_number
from isic.storage.files import is_stream, resolved
from isic.storage.folders import new_folder

CHECKSUM = re.compile("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|sha256-prefix:[0-9a-f]{8,63}")
CHUNK = 2**18
NETWORK = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


def fetch(
    url: str,
    output: str | os.PathLike[str],
    checksum: str,
    *,
    attempts: int = 4,
    timeout: float = 30.0,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Download a file, and move it into place only when its checksum is right.

    What has arrived is kept as `.NAME.part` and resumed, now or by the next run, where the server
    can. A file that is in place already, by hand say, is checked and left alone.

    Args:
        url: http or https.
        output: path of the file.
        checksum: `sha256:HEX`, `md5:HEX`, or `sha256-prefix:HEX` with 8 digits or more.
        attempts: how often to try before giving up; waits 1, 2, 4, … s in between.
        timeout: seconds without a byte after which a connection counts as broken.
        sleep: what waits.

    Raises:
        InputError: wrong checksum, unreachable network, or no room; says where to put the file by
            hand and which checksum it must have.
    """
    check_checksum(checksum)
    if not re.match(r"https?://[^/]", url):
        raise InputError(f"url: {url!r} is no http or https address.")
    output = Path(output)
    if is_stream(output):
        raise InputError(f"{output}: is a device or a pipe. Name a file.")
    by_hand = f"Put the file at {output} by hand; its checksum must be {checksum}."
    if output.exists():
        if has_checksum(output, checksum):
            return
        raise InputError(f"{output}: has not the checksum {checksum}. Delete it, or replace it.")
    place = resolved(output)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    reason = ""
    for attempt in range(attempts):
        if attempt:
            sleep(2.0 ** (attempt - 1))
        try:
            resumed = _transfer(url, part, timeout)
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                break
            continue
        except NETWORK as error:
            reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
            continue
        except OSError as error:
            raise InputError(f"{part}: cannot be written ({error.strerror}). {by_hand}") from error
        if has_checksum(part, checksum):
            part.replace(place)
            return
        part.unlink()
        reason = "what arrived has another checksum"
        if not resumed:  # a file that changed on the server between two parts deserves a fresh try
            break
    raise InputError(f"{url}: cannot be downloaded ({reason}). {by_hand}")


def check_checksum(checksum: str) -> None:
    """Raise InputError unless `checksum` has one of the forms that `fetch` knows."""
    if not CHECKSUM.fullmatch(checksum):
        raise InputError(
            f"checksum: {checksum!r} is neither sha256:HEX (64 lower-case digits), md5:HEX (32) "
            "nor sha256-prefix:HEX (8 or more)."
        )


def check_archives(paths: Sequence[Path], checksums: Sequence[str]) -> None:
    """Raise InputError unless the files have the checksums, of which there is one each, or none."""
    if checksums and len(checksums) != len(paths):
        raise InputError(
            f"{len(paths)} archives and {len(checksums)} checksums: give one for each."
        )
    for path, checksum in zip(paths, checksums, strict=False):
        check_checksum(checksum)
        if path.is_file() and not has_checksum(path, checksum):
            raise InputError(f"{path}: has not the checksum {checksum}. Delete it, or replace it.")


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether the bytes of a file have the checksum."""
    kind, digits = checksum.split(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind.removesuffix("-prefix")).hexdigest()
    return found.startswith(digits)


def _transfer(url: str, part: Path, timeout: float) -> bool:
    """Bring `part` to the end of the file; returns whether it had begun before."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "isic"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return True  # there is nothing left to fetch
        part.unlink()
        return _transfer(url, part, timeout)
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise ConnectionError("the server sent another range than asked for")
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        bar = tqdm(
            desc=part.name[1:-5],
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            mininterval=1.0,
        )
        with bar, part.open("ab" if resumed else "wb") as file:
            received = start
            while chunk := response.read(CHUNK):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and received < total:
        raise ConnectionError(f"the connection broke off after {received} of {total} bytes")
    return resumed


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a damaged or missing header for the end of the archive; here it is an error."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # not in typeshed
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} before the end of the archive") from error


def unpack(
    archives: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output_dir: str | os.PathLike[str],
) -> None:
    """Unpack tar (plain, gz, bz2, xz) or zip archives into one folder: all of them, or nothing.

    Args:
        archives: path of the archive, or of each.
        output_dir: folder that will hold the archives' members; must be new or empty.

    Raises:
        InputError: an archive is missing, damaged, truncated, or has members that point out of
            the folder; or the folder holds something.
    """
    if isinstance(archives, str | os.PathLike):
        archives = [archives]
    paths = [Path(archive) for archive in archives]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file. Fetch the archive, or put it there by hand.")
    with new_folder(output_dir) as part:
        for path in paths:
            _unpack(path, part)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        (_unzip if zipfile.is_zipfile(archive) else _untar)(archive, folder)
    except tarfile.FilterError as error:
        raise InputError(_points_out(archive, error.tarinfo.name)) from error
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,  # an encrypted zip
    ) as error:
        if fault_number(error):  # of the disk: the archive may be sound
            raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{archive}: cannot be unpacked ({reason}). If it is damaged, delete it and fetch it "
            "again."
        ) from error


def _points_out(archive: Path, member: str) -> str:
    return f"{archive}: its member {member!r} points out of the folder. Use another archive."


def _check_member(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise InputError(_points_out(archive, name))


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, tarinfo=_StrictTarInfo) as tar:
        for member in tqdm(tar, desc=archive.name, unit=" files", mininterval=1.0):
            _check_member(archive, member.name)
            tar.extract(member, folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in tqdm(file.infolist(), desc=archive.name, unit=" files", mininterval=1.0):
            _check_member(archive, member.filename)
            file.extract(member, folder)
