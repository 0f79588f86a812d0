"""Read the entries of a tar that comes from outside: forwards only, and with headers of bounded size.

`tarfile` holds whole the long names and PAX headers that an archive claims to have, gigabytes of them.
"""

from __future__ import annotations

import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

MOST_ENTRIES = 2_000_000
MOST_UNPACKED = 128 * 1024**3
_MOST_HEADER = 128 * 1024  # the kernel's own limit for an extended attribute is half of it
_MOST_HEADERS = 16  # in a row, before an entry
_PIECE = 1 << 20
_MOST_XZ_MEMORY = 100 * 1024**2

_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_GLOBAL = tarfile.XGLTYPE
_RECORD = re.compile(rb"([0-9]{1,6}) ")


class BadTar(Exception):
    """An archive that is damaged, or larger than an archive may be."""


class Readable(Protocol):
    """A stream of a tar's bytes."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Its content can be read until the next entry is; `size` is its length."""

    name: str
    kind: bytes
    target: str
    size: int
    plain: bool
    """Whether it is a file whose content is stored as it is, not as a sparse file."""


class Untar:
    """The entries of a tar. `check` is called at least once for each megabyte, and may raise."""

    def __init__(
        self,
        stream: Readable,
        check: Callable[[], None] = lambda: None,
        *,
        most_entries: int = MOST_ENTRIES,
        most_bytes: int = MOST_UNPACKED,
    ) -> None:
        self._stream = stream
        self._check = check
        self._most_entries = most_entries
        self._bytes_left = most_bytes
        self._left = 0  # of the content of the current entry
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        for _ in range(self._most_entries):
            entry = self._next()
            if entry is None:
                return
            yield entry
        raise BadTar(f"it has more than {self._most_entries:,} entries")

    def read(self, most: int) -> bytes:
        """Return the start of the current entry's content, at most that many bytes."""
        content = self._exactly(min(most, self._left))
        self._left -= len(content)
        return content

    def _next(self) -> Entry | None:
        long: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            self._skip()
            head = self._header()
            if head is None:
                return None
            if head.type in (_LONG_NAME, _LONG_LINK):
                key = "path" if head.type == _LONG_NAME else "linkpath"
                long[key] = _text(self._extension(head).partition(b"\0")[0])
            elif head.type in _PAX:
                long |= _records(self._extension(head))
            elif head.type == _GLOBAL:
                self._extension(head)
            else:
                return self._entry(head, long)
        raise BadTar("an entry has too many headers")

    def _entry(self, head: tarfile.TarInfo, long: dict[str, str]) -> Entry:
        sparse = head.type == tarfile.GNUTYPE_SPARSE
        if sparse:
            self._pass_sparse_headers(head)
        size = _number(long["size"]) if "size" in long else head.size
        has_content = head.isreg() or head.type not in tarfile.SUPPORTED_TYPES
        self._begin(size if has_content else 0)
        name = long.get("GNU.sparse.name") or long.get("path") or _text(head.name.encode(errors=_ERRORS))
        target = long.get("linkpath") or _text(head.linkname.encode(errors=_ERRORS))
        plain = head.isreg() and not sparse and not any(key.startswith("GNU.sparse.") for key in long)
        return Entry(name, head.type, target, size if has_content else 0, plain)

    def _begin(self, size: int) -> None:
        if size < 0:
            raise BadTar("an entry has a negative size")
        self._left, self._padding = size, -size % tarfile.BLOCKSIZE

    def _header(self) -> tarfile.TarInfo | None:
        block = self._up_to(tarfile.BLOCKSIZE)
        if not block or not block.strip(b"\0"):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", _ERRORS)
        except (tarfile.TarError, ValueError) as error:
            raise BadTar(str(error)) from error

    def _extension(self, head: tarfile.TarInfo) -> bytes:
        if not 0 <= head.size <= _MOST_HEADER:
            raise BadTar(f"an entry has a header of {head.size:,} bytes")
        self._begin(head.size)
        return self.read(head.size)

    def _pass_sparse_headers(self, head: tarfile.TarInfo) -> None:
        more = bool(getattr(head, "_sparse_structs", (None, False))[1])
        for _ in range(_MOST_HEADER // tarfile.BLOCKSIZE):
            if not more:
                return
            more = bool(self._exactly(tarfile.BLOCKSIZE)[504])
        raise BadTar("a sparse file has too many headers")

    def _skip(self) -> None:
        """Pass over what is left of the current entry."""
        left, self._left, self._padding = self._left + self._padding, 0, 0
        while left:
            left -= len(self._exactly(min(left, _PIECE)))

    def _exactly(self, size: int) -> bytes:
        data = self._up_to(size)
        if len(data) < size:
            raise BadTar("unexpected end of data")
        return data

    def _up_to(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            self._check()
            piece = self._stream.read(min(size, _PIECE))
            if not piece:
                break
            size -= len(piece)
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise BadTar("it unpacks to more than an archive may hold")
            pieces.append(piece)
        return b"".join(pieces)


class Unxz:
    """The bytes of an xz file; one that wants very much memory is refused."""

    def __init__(self, packed: Readable) -> None:
        self._packed = packed
        self._unpacker = lzma.LZMADecompressor(memlimit=_MOST_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than wanted only at the end of a piece."""
        while not self._unpacker.eof:
            data = self._packed.read(_PIECE) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not data:
                raise EOFError("its end is missing")
            if piece := self._unpacker.decompress(data, size):
                return piece
        return b""


_ERRORS = "surrogateescape"


def _text(raw: bytes) -> str:
    """Return a name; what is no UTF-8 in it is replaced, as nothing here reads such files."""
    return raw.decode(errors="replace")


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,19}", text):
        raise BadTar("an entry has a size that is no number")
    return int(text)


def _records(header: bytes) -> dict[str, str]:
    """Return the records of a PAX header: `LENGTH KEY=VALUE`, each with a line end."""
    records, at = {}, 0
    while at < len(header) and header[at]:
        matched = _RECORD.match(header, at)
        length = int(matched[1]) if matched else 0
        record = header[matched.end() : at + length] if matched else b""
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or at + length > len(header):
            raise BadTar("an entry has a damaged header")
        records[_text(key)] = _text(value[:-1])
        at += length
    return records
