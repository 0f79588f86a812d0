"""gzip as the compression of layers, with deflate streams that are taken over as they are.

A gzip file may have many members (RFC 1952), and a wheel is a zip whose members are deflate streams. So a
layer is made of members in turn: the deflate stream of a file, copied from its wheel, and between two of
those the tar's own headers and files that were not compressed yet.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import deflate
from isal import igzip, isal_zlib

from builds.imaging.oci.manifest import OCI_LAYER_GZIP

LEVEL = 1

_JOINED = 256 * 1024
_HEAD = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
_TAIL = struct.Struct("<II")


class Damaged(ValueError):
    """A compressed stream does not hold what its archive says."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A raw deflate stream, with what its archive says of the content."""

    raw: memoryview
    crc: int
    size: int

    def inflated(self) -> bytes:
        """Return the content, checked against its size and CRC; never unpacks more than that size."""
        return b"".join(self.chunks(max(self.size, 1)))

    def chunks(self, most: int = 4 << 20) -> Iterable[bytes]:
        """Yield the content in pieces of `most` bytes, for what is too big to hold; checked at the end.

        The stream must end where its member does: a reader of the layer would take the rest for a member of its own.
        """
        inflate, crc, size = isal_zlib.decompressobj(-15), 0, 0
        step = max(most, 1 << 20)
        for start in range(0, len(self.raw), step):
            data: bytes | memoryview = self.raw[start : start + step]
            more = True
            while more and not inflate.eof:
                # One more than is left, so that a longer stream is noticed.
                limit = min(most, self.size - size + 1)
                piece = _inflated(inflate, data, limit)
                crc, size = isal_zlib.crc32(piece, crc), size + len(piece)
                if size > self.size:
                    raise Damaged("longer than it claims")
                if piece:
                    yield piece
                data = inflate.unconsumed_tail
                more = bool(data) or len(piece) == limit  # isal may hold output back
            if inflate.eof and (inflate.unused_data or start + step < len(self.raw)):
                raise Damaged("something follows its end")
        if size != self.size or crc != self.crc or not inflate.eof:
            raise Damaged("size or CRC differ")


def _inflated(inflate: Any, data: bytes | memoryview, most: int) -> bytes:
    try:
        piece: bytes = inflate.decompress(data, most)
    except isal_zlib.error as error:  # type: ignore[misc] # its stub has an instance
        raise Damaged(str(error)) from error
    return piece


class Gzip:
    """Members of gzip. Deflate streams become members without being packed again."""

    name = "gzip"
    # libdeflate gives the same bytes on every processor, which isal does not promise.
    key = f"libdeflate-{deflate.__version__}-{LEVEL}"
    media_type = OCI_LAYER_GZIP
    suffix = ".gz"
    block = 256 * 1024

    def member(self, data: bytes) -> bytes:
        """Return the data as a member."""
        return bytes(_HEAD + deflate.deflate_compress(data, LEVEL) + _tail(isal_zlib.crc32(data), len(data)))

    def takes(self, stream: Stream) -> Iterable[bytes | memoryview]:
        """Yield a member of the stream's own bytes, in pieces to be written."""
        tail = _tail(stream.crc, stream.size)
        if len(stream.raw) < _JOINED:
            yield b"".join((_HEAD, stream.raw, tail))
        else:
            yield from (_HEAD, stream.raw, tail)

    def plain(self, file: BinaryIO) -> BinaryIO:
        """Open members in a row, to read what they hold."""
        return cast(BinaryIO, igzip.open(file, "rb"))  # type: ignore[no-untyped-call]

    def whole(self, file: BinaryIO) -> bool:
        """Return that it is: reading a member without its end raises EOFError."""
        return True


def _tail(crc: int, size: int) -> bytes:
    return _TAIL.pack(crc, size & 0xFFFFFFFF)


GZIP = Gzip()
