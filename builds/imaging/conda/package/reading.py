"""Read the members of a conda package one after the other, in bounded memory."""

from __future__ import annotations

import bz2
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, Literal

import zstandard

from builds.imaging.conda.package.names import BadName, Kind, normalised, shown
from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError

MOST_FILES: Final = 400_000
MOST_BYTES: Final = 30 * 1024**3
# Beyond the first size, a package may unpack to so many times its own size.
_ALWAYS_ALLOWED: Final = 1024**3
_MOST_RATIO: Final = 200

_WINDOW: Final = 1 << 27  # the most that zstd's own tool takes unless its user raises it
_HEADERS: Final = 1 << 20
_PIECE: Final = 1 << 18
_STORED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Part = Literal["info", "pkg"]


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a package by its normalised path; `target` is that of a link, symbolic or not."""

    path: str
    kind: Kind
    size: int
    executable: bool
    target: str
    hard: bool
    metadata: bool
    content: Content


class Content:
    """The bytes of a member, to be read before the next member is taken."""

    def __init__(self, file: WheelFile, plain: IO[bytes] | None) -> None:
        self._file = file
        self._plain = plain

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if self._plain is None:
            return b""
        with readable(self._file):
            return self._plain.read(size)


def members(file: WheelFile, *, only_info: bool = False) -> Iterator[Member]:
    """Yield what is in a package, its metadata first where its format allows. Folders included.

    Everything is counted, and refused before it takes up memory: names, headers, windows, sizes.
    """
    count = size = 0
    most = max(_ALWAYS_ALLOWED, _MOST_RATIO * file.path.stat().st_size)
    for part, plain in _parts(file, only_info=only_info):
        meter = _Meter(plain)
        with readable(file):
            archive = tarfile.open(fileobj=meter, mode="r|", bufsize=_PIECE)  # noqa: SIM115
        while True:
            with readable(file):
                meter.allow(0)
                entry = archive.next()
                # It would keep every header until the end.
                archive.members.clear()  # type: ignore[attr-defined]
                if entry is None:
                    break
                count, size = count + 1, size + entry.size
                if entry.size < 0 or count > MOST_FILES or size > min(MOST_BYTES, most):
                    raise bad(file, "it is too large unpacked")
                meter.allow(entry.size)
                member = _member(file, part, entry, archive)
            if member.path:
                yield member
            while member.content.read(_PIECE):
                pass


def _member(file: WheelFile, part: Part | None, entry: tarfile.TarInfo, archive: tarfile.TarFile) -> Member:
    path = normalised(entry.name)
    if entry.isdir():
        kind = Kind.FOLDER
    elif entry.issym():
        kind = Kind.LINK
    elif entry.isfile() or entry.islnk():
        kind = Kind.FILE
    else:
        raise bad(file, f"“{shown(path)}” in it is a device")
    if not path and kind is not Kind.FOLDER:
        raise bad(file, "a file in it has no name")
    metadata = path == "info" or path.startswith("info/")
    if part == "pkg" and metadata:
        raise bad(file, f"“{shown(path)}” is not in the part of it for metadata")
    hard = entry.islnk()
    target = normalised(entry.linkname) if hard else entry.linkname if kind is Kind.LINK else ""
    plain = archive.extractfile(entry) if entry.isfile() and entry.size else None
    executable = bool(entry.mode & 0o100)
    return Member(path, kind, entry.size, executable, target, hard, metadata, Content(file, plain))


def _parts(file: WheelFile, *, only_info: bool) -> Iterator[tuple[Part | None, IO[bytes]]]:
    """Yield the archives that a package consists of: one in the old format, two within a zip in the new format."""
    if file.path.name.endswith(".tar.bz2"):
        with bz2.open(file.path) as plain:
            yield None, plain
        return
    with readable(file):
        outer = zipfile.ZipFile(file.path)
    with outer:
        wanted: tuple[Part, ...] = ("info",) if only_info else ("info", "pkg")
        for part in wanted:
            with readable(file):
                entry = _only(file, outer, part)
                packed = outer.open(entry)
            codec = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
            # Other readers go on after the first frame; stopping there would check less than they install.
            with packed, codec.stream_reader(packed, read_across_frames=True) as plain:
                yield part, plain


def _only(file: WheelFile, outer: zipfile.ZipFile, part: Part) -> zipfile.ZipInfo:
    entries = [entry for entry in outer.infolist() if entry.filename.startswith(f"{part}-")]
    entries = [entry for entry in entries if entry.filename.endswith(".tar.zst")]
    if len(entries) != 1:
        raise bad(file, f"it has {len(entries) or 'no'} {part}-….tar.zst in it, not one")
    if entries[0].compress_type not in _STORED:
        raise bad(file, f"{shown(entries[0].filename)} in it is compressed twice")
    return entries[0]


class _Meter(io.RawIOBase):
    """A stream that gives so many bytes for a member and its headers, and no more.

    Headers have sizes of their own, which their reader would believe: a name of gigabytes, a chain without end.
    """

    def __init__(self, plain: IO[bytes]) -> None:
        self._plain = plain
        self.allow(0)

    def allow(self, size: int) -> None:
        """Allow a member of that size, and what belongs to any member."""
        self._left = size + _HEADERS + 2 * _PIECE

    def read(self, size: int = -1, /) -> bytes:
        """Return up to that many bytes."""
        data = self._plain.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("a header in it is too large")
        return data


@contextmanager
def readable(file: WheelFile) -> Iterator[None]:
    """Turn any error of the libraries that read a damaged or hostile package into the error for a bad package."""
    try:
        yield
    except BadName as error:
        raise bad(file, str(error)) from error
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zstandard.ZstdError,
        zlib.error,
        struct.error,
        # Also RecursionError, and NotImplementedError for zip files of unknown kinds.
        RuntimeError,
        ArithmeticError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise bad(file, str(error) or "it cannot be read") from error
    except (EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise bad(file, str(error) or "it is cut off") from error


def bad(file: WheelFile, why: str) -> ImageError:
    """Return the error for a package that cannot be used."""
    return ImageError(
        "bad-package",
        f"{file.path.name} is no conda package that can be used: {why}.",
        "Pin another version or build of it, and tell its makers.",
        fault="outside",
    )
