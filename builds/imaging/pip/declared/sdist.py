"""Read the declared requirements of a source distribution, without running any of its code."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from typing import BinaryIO

from builds.imaging.files import WheelFile
from builds.imaging.oci.names import MOST_PATH_BYTES, shown
from builds.imaging.oci.untar import BadTar, Readable, Untar, Unxz
from builds.imaging.packing.archive import MOST_BYTES, MOST_FILES, Archive
from builds.imaging.packing.wheel import MOST_REQUIREMENTS
from builds.imaging.pip.declared.foreign_requirements import requirement_of
from builds.imaging.reporting import ImageError

_MOST_METADATA = 2 * 1024**2
_METADATA = re.compile(r"[^/]+/(?:PKG-INFO|(?:[^/]+/){0,2}[^/]+\.egg-info/requires\.txt)")
_MOST_DECLARING = 50
_UNREADABLE = (BadTar, zlib.error, lzma.LZMAError, EOFError, OSError)


def needs_of(file: WheelFile) -> tuple[str, ...]:
    """Return the requirements that a source distribution names, as far as it names them.

    What it comes to need is known only when a wheel was built from it.
    """
    try:
        files = _requirement_files(file)
    except _UNREADABLE as error:
        raise _bad(file, f"cannot be read: {error}") from error
    about = next((text for path, text in files.items() if path.endswith("/PKG-INFO")), b"")
    named = BytesHeaderParser().parsebytes(about).get_all("Requires-Dist") or []
    if not named:
        # Older build tools write them beside it only.
        listed = next((text for path, text in files.items() if path.endswith("/requires.txt")), b"")
        named = list(_listed(listed.decode(errors="replace")))
    if len(named) > MOST_REQUIREMENTS:
        raise _bad(file, f"needs more than {MOST_REQUIREMENTS:,} packages")
    return tuple(checked_need(file, str(need)) for need in named)


def checked_need(file: WheelFile, need: str) -> str:
    """Return a requirement of a package in its usual form; refuse one that is no name with versions."""
    requirement = requirement_of(need)
    if requirement is None:
        raise _bad(file, f"needs “{shown(need)}”, which is no requirement")
    if requirement.url is not None:
        raise _bad(file, f"needs {requirement.name} from an address of its own")
    return str(requirement)


def _requirement_files(file: WheelFile) -> dict[str, bytes]:
    """Return the files that declare requirements, by their paths."""
    if file.path.name.endswith(".zip"):
        archive = Archive(file.path, lambda why: _bad(file, f"cannot be read: {why}"))
        members = [info for info in archive.members if _METADATA.fullmatch(info.filename)]
        _refuse_many(file, len(members))
        return {info.filename: archive.content(info, _MOST_METADATA) for info in members}
    result: dict[str, bytes] = {}
    with file.path.open("rb") as packed:
        archive_of = Untar(_plain(packed), most_entries=MOST_FILES, most_bytes=MOST_BYTES)
        for entry in archive_of:
            if entry.plain and len(entry.name) <= MOST_PATH_BYTES and _METADATA.fullmatch(entry.name):
                _refuse_many(file, len(result) + 1)
                result[entry.name] = archive_of.read(_MOST_METADATA)
    return result


def _refuse_many(file: WheelFile, count: int) -> None:
    if count > _MOST_DECLARING:
        raise _bad(file, f"declares its requirements in more than {_MOST_DECLARING} files")


def _plain(packed: BinaryIO) -> Readable:
    """Return the bytes of a tar in the compressions that indexes accept."""
    head = packed.read(6)
    packed.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=packed)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    return Unxz(packed) if head.startswith(b"\xfd7zXZ\0") else packed


def _listed(text: str) -> Iterator[str]:
    """Yield the requirements of a requires.txt: sections are `[extra]`, `[:marker]` or `[extra:marker]`."""
    markers: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            extra, _, marker = line[1:-1].partition(":")
            markers = [f"({marker})"] if marker else []
            markers += [f'extra == "{extra}"'] if extra else []
        elif line and not line.startswith("#"):
            need, _, own = line.partition(";")
            both = [*markers, *([f"({own.strip()})"] if own.strip() else [])]
            yield f"{need.strip()} ; {' and '.join(both)}" if both else need


def _bad(file: WheelFile, why: str) -> ImageError:
    return ImageError(
        "bad-wheel",
        f"The source distribution {file.path.name} {why}.",
        "Pin another version of the package.",
        fault="outside",
    )
