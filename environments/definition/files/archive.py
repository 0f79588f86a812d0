"""Zip and tar, unpacked in memory within the limits; links, devices and escaping paths are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from typing import NoReturn, Protocol

from environments.definition.files.folder import ZIPS, MemoryFolder
from environments.definition.files.heaviest import heaviest
from environments.definition.files.limits import Limits, size_text

MOST_ENTRIES = 100_000
"""Of a zip: its whole directory is read at once, before any file of it can be looked at."""
LONGEST_PATH, DEEPEST_PATH = 1_000, 100
_MOST_XZ_MEMORY = 256 << 20
_MOST_HEADER = 64 << 10  # of a tar's entry, which is read at once
_BESIDE = 10 << 20  # headers and padding of an archive whose files are within the limit
_ZIP_ENTRY = b"PK\x01\x02"
_WITHOUT_LINKS = (
    "Pack what the link leads to: `tar --dereference -czf context.tar.gz -C FOLDER .`, or zip without --symlinks;"
    " `cp -rL` copies a folder without its links."
)
_UNIX_LINK, _UNIX_FILE, _UNIX_FOLDER, _UNIX_KINDS = 0o120000, 0o100000, 0o040000, 0o170000


class BadArchive(ValueError):
    """The archive cannot be taken; the message says why, `help` what to do if that is clear."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


class ArchiveTooLarge(ValueError):
    """The archive is over a limit; `size` and `limit` say which, `largest` what takes the most of it."""

    def __init__(self, size: str, limit: str) -> None:
        super().__init__(f"{size} is over the limit of {limit}")
        self.size, self.limit = size, limit
        self.largest = ""


def unpack(content: bytes, limits: Limits) -> MemoryFolder:
    """The files of the archive. Raises BadArchive, or ArchiveTooLarge before a limit is passed."""
    held: dict[str, tuple[int, bytes]] = {}
    folders: set[str] = set()
    sizes: dict[str, int] = {}
    if len(content) > limits.context:
        raise ArchiveTooLarge(f"more than {size_text(limits.context)}", size_text(limits.context))
    try:
        if content.startswith(ZIPS):
            _unzip(content, limits, held, folders, sizes)
        else:
            _untar(content, limits, held, folders, sizes)
    except ArchiveTooLarge as error:
        error.largest = _largest(sizes, files=error.limit.endswith("files"))
        raise
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise BadArchive(f"it is damaged ({' '.join(str(error).split())[:200]})") from None
    except (NotImplementedError, RuntimeError, ValueError, UnicodeError, OverflowError) as error:
        if isinstance(error, BadArchive):
            raise
        raise BadArchive(" ".join(str(error).split())[:200]) from None
    return _without_top_folder(held, frozenset(folders) - held.keys())


def _largest(sizes: dict[str, int], *, files: bool) -> str:
    """Return what takes the most of the archive, as far as it was read: a path and how much."""
    if not sizes:
        return ""
    path, amount = heaviest(dict.fromkeys(sizes, 1) if files else sizes)
    return f"{path} has {f'{amount} files' if files else size_text(amount)} of it"


def _unzip(
    content: bytes,
    limits: Limits,
    held: dict[str, tuple[int, bytes]],
    folders: set[str],
    sizes: dict[str, int],
) -> None:
    if content.count(_ZIP_ENTRY) > MOST_ENTRIES:
        raise ArchiveTooLarge(f"more than {MOST_ENTRIES} entries", f"{limits.context_files} files")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        room = limits.context
        sizes.update((info.filename, info.file_size) for info in archive.infolist() if not info.is_dir())
        for info in archive.infolist():
            kind = (info.external_attr >> 16) & _UNIX_KINDS
            if info.is_dir() or kind == _UNIX_FOLDER:
                _add_folder(folders, info.filename, limits)
                continue
            if kind == _UNIX_LINK:
                raise BadArchive(f"{info.filename!r} is a link", _WITHOUT_LINKS)
            if kind not in (0, _UNIX_FILE):
                raise BadArchive(f"{info.filename!r} is no plain file")
            if info.flag_bits & 0x1:
                raise BadArchive(f"{info.filename!r} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
                raise BadArchive(f"{info.filename!r} is packed in another way than zip's usual ones")
            path = _safe(info.filename)
            _count(held, path, limits)
            with archive.open(info) as file:
                # The directory may lie about the size, so unpacked bytes are counted.
                data = file.read(room + 1)
            room -= len(data)
            _check_room(room, limits)
            held[path] = ((info.external_attr >> 16) & 0o777 or 0o644, data)


def _untar(
    content: bytes,
    limits: Limits,
    held: dict[str, tuple[int, bytes]],
    folders: set[str],
    sizes: dict[str, int],
) -> None:
    room = limits.context
    plain = _Bounded(_opened(content), limits.context + _BESIDE, limits)
    with tarfile.open(fileobj=plain, mode="r|", tarinfo=_Member) as archive:  # type: ignore[call-overload]
        for number, member in enumerate(archive):
            if number > 4 * limits.context_files:
                raise ArchiveTooLarge(f"more than {number} entries", f"{limits.context_files} files")
            if member.isdir():
                _add_folder(folders, member.name, limits)
                continue
            if member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                continue
            if member.issym() or member.islnk():
                to = f" to {member.linkname[:200]!r}" if member.linkname else ""
                raise BadArchive(f"{member.name!r} is a link{to}", _WITHOUT_LINKS)
            if not member.isreg():
                raise BadArchive(f"{member.name!r} is no plain file")
            path = _safe(member.name)
            sizes[path] = member.size
            _count(held, path, limits)
            if member.size > room:
                _check_room(-1, limits)
            file = archive.extractfile(member)
            data = file.read(room + 1) if file else b""
            room -= len(data)
            _check_room(room, limits)
            held[path] = (member.mode & 0o777 or 0o644, data)


class _Readable(Protocol):
    """A stream for `tarfile`."""

    def read(self, size: int, /) -> bytes: ...


def _opened(content: bytes) -> _Readable:
    """Return the tar's bytes as they come out of their compression, if there is any."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=io.BytesIO(content))
    if content.startswith(b"BZh"):
        return bz2.BZ2File(io.BytesIO(content))
    return _Xz(content) if content.startswith(b"\xfd7zXZ\x00") else io.BytesIO(content)


class _Xz:
    """The bytes in an xz file; one that wants very much memory is refused."""

    def __init__(self, content: bytes) -> None:
        self._given = content
        self._opener = lzma.LZMADecompressor(memlimit=_MOST_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        while not self._opener.eof or self._opener.unused_data.strip(b"\0"):
            if self._opener.eof:
                self._given = self._opener.unused_data
                self._opener = lzma.LZMADecompressor(memlimit=_MOST_XZ_MEMORY)
            if self._opener.needs_input and not self._given:
                raise EOFError("its end is missing")
            given, self._given = self._given, b""
            if chunk := self._opener.decompress(given, size):
                return chunk
        return b""


class _Bounded:
    """Hands on what it reads, as long as it is not more than there may be."""

    def __init__(self, source: _Readable, most: int, limits: Limits) -> None:
        self._source = source
        self._left = most
        self._limits = limits

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._left -= len(chunk)
        _check_room(self._left, self._limits)
        return chunk


class _Member(tarfile.TarInfo):
    """An entry of a tar, none of whose headers is larger than a header should be."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _MOST_HEADER:
            raise BadArchive("an entry has a header that is too long")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _sparse(self, *_: object) -> NoReturn:
        raise BadArchive(f"{self.name[:200]!r} is no plain file")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _sparse


_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def _safe(name: str) -> str:
    if len(name) > LONGEST_PATH or name.count("/") > DEEPEST_PATH:
        raise BadArchive(f"{name[:60]!r} … is too long or too deep a path")
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or not parts or ":" in parts[0]:
        raise BadArchive(f"{name[:200]!r} leads out of the archive")
    return "/".join(parts)


def _add_folder(folders: set[str], name: str, limits: Limits) -> None:
    """Keep a folder's path: if it holds nothing, only its own entry shows that it is there."""
    if name.strip("./"):
        folders.add(_safe(name))
    if len(folders) > limits.context_files:
        limit = f"{limits.context_files} files"
        raise ArchiveTooLarge(f"more than {limits.context_files} folders", limit)


def _count(held: dict[str, tuple[int, bytes]], path: str, limits: Limits) -> None:
    if len(held) >= limits.context_files:
        raise ArchiveTooLarge(f"more than {limits.context_files} files", f"{limits.context_files} files")
    if path in held:
        raise BadArchive(f"{path[:200]!r} is in it twice")


def _check_room(room: int, limits: Limits) -> None:
    if room < 0:
        limit = size_text(limits.context)
        raise ArchiveTooLarge(f"more than {limit} unpacked", limit)


def _without_top_folder(held: dict[str, tuple[int, bytes]], folders: frozenset[str]) -> MemoryFolder:
    """Most tools pack the folder itself: a single top folder is the context."""
    tops = {path.partition("/")[0] for path in (*held, *folders)}
    if len(tops) != 1 or any("/" not in path for path in held):
        return MemoryFolder(held, folders)
    inner = frozenset(path.partition("/")[2] for path in folders) - {""}
    return MemoryFolder({path.partition("/")[2]: value for path, value in held.items()}, inner)
