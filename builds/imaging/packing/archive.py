"""Read the members of a wheel's zip file: each by one header, and never beyond the size that it claims."""

from __future__ import annotations

import bz2
import lzma
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from builds.imaging.oci.gzipped import Damaged, Stream
from builds.imaging.oci.names import shown
from builds.imaging.reporting import ImageError

MOST_FILES = 200_000
MOST_BYTES = 32 * 1024**3
_MOST_DIRECTORY_BYTES = 64 * 1024**2
_MOST_LZMA_MEMORY = 64 * 1024**2
_PIECE = 1 << 20

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LZMA_HEADER = struct.Struct("<2xHBI")
_CENTRAL = b"PK\1\2"
# Errors of `zipfile` for a damaged file; NotImplementedError is a RuntimeError.
_UNREADABLE = (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError, struct.error, OverflowError)


class Archive:
    """The members of a wheel by its central directory. `bad` makes the error for a file that cannot be used."""

    def __init__(self, path: Path, bad: Callable[[str], ImageError]) -> None:
        self._bad = bad
        try:
            with path.open("rb") as file:
                self._refuse_endless(file)
                with zipfile.ZipFile(file) as archive:
                    self.members = archive.infolist()
                self._bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except _UNREADABLE as error:
            raise bad(f"it is not a zip file ({error})") from error
        self._refuse_excess()

    def content(self, info: zipfile.ZipInfo, most: int = MOST_BYTES) -> bytes:
        """Return a member's content, checked; refuse more than `most` bytes before any of it is read."""
        if info.file_size > most:
            raise self._bad(f"“{shown(info.filename)}” in it is larger than {most:,} bytes")
        stream = self.stream(info)
        try:
            return b"".join(self.pieces(info)) if stream is None else stream.inflated()
        except Damaged as error:
            raise self.damaged(info, error) from error

    def pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield a member's content piece by piece; raise as soon as it is longer than it claims."""
        stream = self.stream(info)
        try:
            if stream is not None:
                yield from stream.chunks()
                return
            crc = size = 0
            for piece in self._plain(info):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
                if size > info.file_size:
                    raise Damaged("longer than it claims")
                yield piece
            if size != info.file_size or crc != info.CRC:
                raise Damaged("size or CRC differ")
        except (Damaged, lzma.LZMAError, EOFError, OSError, ValueError, struct.error) as error:
            raise self.damaged(info, error) from error

    def stream(self, info: zipfile.ZipInfo) -> Stream | None:
        """Return a member's own deflate stream; None for one that is stored in another way."""
        if info.compress_type != zipfile.ZIP_DEFLATED:
            return None
        return Stream(self._raw(info), info.CRC, info.file_size)

    def damaged(self, info: zipfile.ZipInfo, error: Exception) -> ImageError:
        """Return the error for a member that does not hold what it claims."""
        return self._bad(f"“{shown(info.filename)}” in it is damaged ({error})")

    def _raw(self, info: zipfile.ZipInfo) -> memoryview:
        start = info.header_offset
        head = bytes(self._bytes[start : start + _LOCAL_HEADER.size]) if start >= 0 else b""
        if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\3\4"):
            raise self._bad(f"“{shown(info.filename)}” in it has no header")
        _, name_size, extra_size = _LOCAL_HEADER.unpack(head)
        start += _LOCAL_HEADER.size + name_size + extra_size
        raw = self._bytes[start : start + info.compress_size]
        if len(raw) != info.compress_size:
            raise self._bad(f"“{shown(info.filename)}” in it is cut off")
        return raw

    def _plain(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        raw = self._raw(info)
        if info.compress_type == zipfile.ZIP_STORED:
            yield from (bytes(raw[at : at + _PIECE]) for at in range(0, len(raw), _PIECE))
        elif info.compress_type == zipfile.ZIP_BZIP2:
            yield from _unpacked(bz2.BZ2Decompressor(), raw)
        elif info.compress_type == zipfile.ZIP_LZMA:
            yield from _unpacked(*_lzma(raw))
        else:
            raise Damaged(f"its compression, {info.compress_type}, is unknown")

    def _refuse_endless(self, file: Any) -> None:
        """Refuse more members than a wheel has, before `zipfile` holds them all in memory."""
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined] # what `zipfile` itself goes by
        if not end:
            raise zipfile.BadZipFile("File is not a zip file")
        size = end[zipfile._ECD_SIZE]  # type: ignore[attr-defined]
        if size > _MOST_DIRECTORY_BYTES:
            raise self._bad(f"it has more than {MOST_FILES:,} files")
        start = end[zipfile._ECD_LOCATION] - size  # type: ignore[attr-defined]
        if end[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
            start -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
        file.seek(max(start, 0))
        if file.read(size).count(_CENTRAL) > MOST_FILES:
            raise self._bad(f"it has more than {MOST_FILES:,} files")

    def _refuse_excess(self) -> None:
        """Refuse members that share bytes of the file, or that claim more than any package holds."""
        if sum(info.compress_size for info in self.members) > len(self._bytes):
            raise self._bad("files in it overlap")
        if sum(info.file_size for info in self.members) > MOST_BYTES:
            raise self._bad(f"it unpacks to more than {MOST_BYTES:,} bytes")


def _unpacked(unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor, raw: memoryview) -> Iterator[bytes]:
    at = 0
    while not unpacker.eof:
        data = b""
        if unpacker.needs_input:
            data, at = bytes(raw[at : at + _PIECE]), at + _PIECE
            if not data:
                raise Damaged("its end is missing")
        yield unpacker.decompress(data, _PIECE)


def _lzma(raw: memoryview) -> tuple[lzma.LZMADecompressor, memoryview]:
    """Return what unpacks a member's LZMA stream, and the stream."""
    if len(raw) < _LZMA_HEADER.size:
        raise Damaged("its end is missing")
    size, properties, memory = _LZMA_HEADER.unpack(raw[: _LZMA_HEADER.size])
    if size != 5 or memory > _MOST_LZMA_MEMORY or properties >= 9 * 5 * 5:
        raise Damaged("unpacking it takes too much memory")
    lc, lp, pb = properties % 9, properties // 9 % 5, properties // 45
    coder = {"id": lzma.FILTER_LZMA1, "dict_size": max(memory, 4096), "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[coder]), raw[4 + size :]
