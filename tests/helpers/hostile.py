"""Files that were made to do harm."""

import os
import struct
import zlib


class Evil:
    """Unpickled, it would write a file."""

    def __reduce__(self):
        return os.mkdir, ("UNPICKLED",)


def png(width: int, height: int) -> bytes:
    """A PNG of this size in its header and next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
