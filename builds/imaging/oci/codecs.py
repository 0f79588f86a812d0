"""Compressions of layers, behind one interface. What is packed in pieces can be joined without being packed again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Final, Protocol

from builds.imaging.oci.gzipped import GZIP, Stream
from builds.imaging.oci.zstd import ZSTD


class Codec(Protocol):
    """A compression that gives the same bytes for the same data on every machine, with the same `key`."""

    @property
    def name(self) -> str:
        """The compression as settings name it."""

    @property
    def key(self) -> str:
        """The library, its version and level: part of the key of all that is cached in this compression."""

    @property
    def media_type(self) -> str:
        """The media type of a layer."""

    @property
    def suffix(self) -> str:
        """The end of a file's name."""

    @property
    def block(self) -> int:
        """The bytes that are packed together; a member may hold more."""

    def member(self, data: bytes) -> bytes:
        """Return the data packed, so that such members in a row unpack to their data in a row."""

    def takes(self, stream: Stream) -> Iterable[bytes | memoryview] | None:
        """Return a member made of the stream's own bytes, in pieces; None if its data has to be packed again."""

    def plain(self, file: BinaryIO) -> BinaryIO:
        """Open members in a row, to read what they hold."""

    def whole(self, file: BinaryIO) -> bool:
        """Return False for a file whose last member has no end, unless `plain` raises for it."""


# By the names in settings: what an image has its layers in. The first is for engines that know no other.
COMPRESSIONS: Final = {"gzip": ("gzip",), "zstd": ("zstd",), "both": ("gzip", "zstd")}

CODECS: Final[dict[str, Codec]] = {codec.name: codec for codec in (GZIP, ZSTD)}
