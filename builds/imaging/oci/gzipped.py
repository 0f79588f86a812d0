"""Write a gzipped tar from files that are mostly compressed already.

A gzip file may have many members (RFC 1952), and a wheel is a zip whose members are deflate streams. So a
layer is made of members in turn: the deflate stream of a file, copied from its wheel, and between two of
those the tar's own headers and files that were not compressed yet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import deflate
from isal import isal_zlib

from builds.imaging.oci import tar

# libdeflate gives the same bytes on every processor, which isal does not promise. Part of every key.
CODEC = f"libdeflate-{deflate.__version__}-1"
LEVEL = 1

_GLUE = 256 * 1024
_HEAD = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
_TAIL = struct.Struct("<II")

Write = Callable[[bytes | memoryview], object]


class Damaged(ValueError):
    """A compressed stream does not hold what its archive says."""


class Hash(Protocol):
    """A consumer of the uncompressed bytes."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""


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


class TarGzip:
    """Writes entries of a tar as gzip members. `write` takes the compressed, `plain` the tar's own bytes."""

    def __init__(self, write: Write, plain: Hash | None = None) -> None:
        self._write = write
        self._plain = plain or _Nobody()
        self._glue = bytearray()
        self.unpacked = 0

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory; its path ends with a slash."""
        self._add(tar.directory(path, mode))

    def symlink(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(tar.header(path, 0, 0o777, tar.SYMLINK, target))

    def whiteout(self, path: str) -> None:
        """Hide a file or a folder of the layers below."""
        self._add(tar.whiteout(path))

    def file(self, path: str, content: bytes | bytearray, mode: int = 0o644) -> None:
        """Add a file that is compressed here."""
        self._add(tar.header(path, len(content), mode))
        self._add(content)
        self._add(tar.padding(len(content)))

    def begin(self, path: str, size: int, mode: int = 0o644) -> None:
        """Start a file whose content follows by `more`, and is ended by `padded`."""
        self._add(tar.header(path, size, mode))

    def more(self, data: bytes) -> None:
        """Add a piece of the file that `begin` started."""
        self._add(data)

    def padded(self, size: int) -> None:
        """End the file that `begin` started."""
        self._add(tar.padding(size))

    def deflated(
        self, path: str, stream: Stream, content: bytes | bytearray | None, mode: int = 0o644
    ) -> None:
        """Add a file by its own deflate stream. `content` is given when it has been inflated already."""
        self._add(tar.header(path, stream.size, mode))
        self.flush()
        for piece in (content,) if content is not None else stream.chunks():
            self._plain.update(piece)
        tail = _TAIL.pack(stream.crc, stream.size & 0xFFFFFFFF)
        if len(stream.raw) < _GLUE:
            self._write(b"".join((_HEAD, stream.raw, tail)))
        else:
            self._write(_HEAD)
            self._write(stream.raw)
            self._write(tail)
        self.unpacked += stream.size
        self._add(tar.padding(stream.size))

    def end(self) -> None:
        """Add the two empty blocks that end a tar, and flush."""
        self._add(tar.END)
        self.flush()

    def flush(self) -> None:
        """Write out what is held back, so that members may follow from elsewhere."""
        if self._glue:
            glue, self._glue = bytes(self._glue), bytearray()
            self._plain.update(glue)
            self._write(_HEAD + deflate.deflate_compress(glue, LEVEL) + _tail(glue))
            self.unpacked += len(glue)

    def _add(self, data: bytes | bytearray) -> None:
        self._glue += data
        if len(self._glue) >= _GLUE:
            self.flush()


class _Nobody:
    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take them and forget them."""


def _tail(data: bytes) -> bytes:
    return _TAIL.pack(isal_zlib.crc32(data), len(data) & 0xFFFFFFFF)
