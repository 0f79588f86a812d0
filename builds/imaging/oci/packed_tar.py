"""Write a compressed tar. A stream that is compressed already stays as it is, if the codec takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from builds.imaging.oci import tar
from builds.imaging.oci.codecs import Codec
from builds.imaging.oci.gzipped import GZIP, Stream

Write = Callable[[bytes | memoryview], object]


class Hash(Protocol):
    """A consumer of the uncompressed bytes."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""


class PackedTar:
    """Writes entries of a tar as members of a codec. `write` takes the compressed, `plain` the tar's own bytes."""

    def __init__(self, write: Write, plain: Hash | None = None, codec: Codec = GZIP) -> None:
        self._write = write
        self._plain = plain or _Nobody()
        self._codec = codec
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

    def entries(self, data: bytes) -> None:
        """Add whole entries of a tar that were made before."""
        self._add(data)

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
        """Add a file that is a deflate stream, as that where the codec takes it.

        `content` is given when it has been inflated already.
        """
        self._add(tar.header(path, stream.size, mode))
        pieces = (content,) if content is not None else stream.chunks()
        members = self._codec.takes(stream)
        if members is None:
            for piece in pieces:
                self._add_blocks(piece)
        else:
            self.flush()
            for piece in pieces:
                self._plain.update(piece)
            for part in members:
                self._write(part)
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
            self._write(self._codec.member(glue))
            self.unpacked += len(glue)

    def _add_blocks(self, data: bytes | bytearray) -> None:
        """Add data in blocks that do not depend on the size of its pieces: the inflater's version decides that."""
        left = memoryview(data)
        while left:
            room = self._codec.block - len(self._glue)
            self._add(left[:room])
            left = left[room:]

    def _add(self, data: bytes | bytearray | memoryview) -> None:
        self._glue += data
        if len(self._glue) >= self._codec.block:
            self.flush()


class _Nobody:
    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take them and forget them."""
