"""What a source distribution says that it needs, read without running anything of it."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from email.parser import BytesHeaderParser

from packaging.requirements import InvalidRequirement, Requirement

from builds.images.report import ImageError
from builds.images.segment import WheelFile
from builds.images.wheel import MOST_BYTES, MOST_FILES

_MOST_TOLD = 4 * 1024**2
_TELLING = re.compile(r"[^/]+/(?:PKG-INFO|(?:[^/]+/){0,2}[^/]+\.egg-info/requires\.txt)")
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)


def needs_of(file: WheelFile) -> tuple[str, ...]:
    """Return the requirements that a source distribution names, as far as it names them.

    What it comes to need is known only when a wheel was built from it.
    """
    try:
        told = dict(_told(file))
    except _UNREADABLE as error:
        raise _bad(file, f"cannot be read: {error}") from error
    about = next((text for path, text in told.items() if path.endswith("/PKG-INFO")), b"")
    named = BytesHeaderParser().parsebytes(about).get_all("Requires-Dist") or []
    if not named:
        # Older build tools write them beside it only.
        listed = next((text for path, text in told.items() if path.endswith("/requires.txt")), b"")
        named = list(_listed(listed.decode(errors="replace")))
    return tuple(checked_need(file, str(need)) for need in named)


def checked_need(file: WheelFile, need: str) -> str:
    """Return a requirement of a package in its usual form; refuse one that is no name with versions."""
    try:
        found = Requirement(need)
    except InvalidRequirement as error:
        raise _bad(file, f"needs “{need[:200]}”, which is no requirement") from error
    if found.url is not None:
        raise _bad(file, f"needs {found.name} from an address of its own")
    return str(found)


def _told(file: WheelFile) -> Iterator[tuple[str, bytes]]:
    """Yield the files that tell what it needs, by their paths."""
    if file.path.name.endswith(".zip"):
        with zipfile.ZipFile(file.path) as archive:
            for info in archive.infolist()[:MOST_FILES]:
                if _TELLING.fullmatch(info.filename):
                    with archive.open(info) as member:
                        yield info.filename, member.read(_MOST_TOLD)
        return
    size = 0
    with tarfile.open(file.path) as files:
        for number, entry in enumerate(files):
            size += entry.size
            if number > MOST_FILES or size > MOST_BYTES:
                raise _bad(file, "holds more than any package does")
            if entry.isreg() and _TELLING.fullmatch(entry.name):
                content = files.extractfile(entry)
                yield entry.name, content.read(_MOST_TOLD) if content is not None else b""


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
