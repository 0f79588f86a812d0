"""Zip and tar, unpacked in memory within the limits; links, devices and escaping paths are refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib

from environments.definition.folder import ZIPS, MemoryFolder
from environments.definition.limits import Limits, size_text

_UNIX_LINK, _UNIX_FILE, _UNIX_FOLDER, _UNIX_KINDS = 0o120000, 0o100000, 0o040000, 0o170000


class BadArchive(ValueError):
    """The archive cannot be taken; the message says why."""


class ArchiveTooLarge(ValueError):
    """The archive is over a limit; `size` and `limit` say which."""

    def __init__(self, size: str, limit: str) -> None:
        super().__init__(f"{size} is over the limit of {limit}")
        self.size, self.limit = size, limit


def unpack(content: bytes, limits: Limits) -> MemoryFolder:
    """The files of the archive. Raises BadArchive, or ArchiveTooLarge before a limit is passed."""
    held: dict[str, tuple[int, bytes]] = {}
    try:
        if content.startswith(ZIPS):
            _unzip(content, limits, held)
        else:
            _untar(content, limits, held)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadArchive(f"it is damaged ({' '.join(str(error).split())[:200]})") from None
    except (NotImplementedError, RuntimeError, ValueError, UnicodeError, OverflowError) as error:
        if isinstance(error, (BadArchive, ArchiveTooLarge)):
            raise
        raise BadArchive(" ".join(str(error).split())[:200]) from None
    return MemoryFolder(_without_top_folder(held))


def _unzip(content: bytes, limits: Limits, held: dict[str, tuple[int, bytes]]) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        room = limits.context
        for info in archive.infolist():
            kind = (info.external_attr >> 16) & _UNIX_KINDS
            if info.is_dir() or kind == _UNIX_FOLDER:
                continue
            if kind == _UNIX_LINK:
                raise BadArchive(f"{info.filename!r} is a link")
            if kind not in (0, _UNIX_FILE):
                raise BadArchive(f"{info.filename!r} is no plain file")
            if info.flag_bits & 0x1:
                raise BadArchive(f"{info.filename!r} is encrypted")
            path = _safe(info.filename)
            _count(held, path, limits)
            with archive.open(info) as file:
                # What the directory says of the size may be a lie: what comes out is counted.
                data = file.read(room + 1)
            room -= len(data)
            _check_room(room, limits)
            held[path] = ((info.external_attr >> 16) & 0o777 or 0o644, data)


def _untar(content: bytes, limits: Limits, held: dict[str, tuple[int, bytes]]) -> None:
    room = limits.context
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|*") as archive:
        for number, member in enumerate(archive):
            if number > 4 * limits.context_files:
                raise ArchiveTooLarge(f"more than {number} entries", f"{limits.context_files} files")
            if member.isdir() or member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
                continue
            if not member.isreg():
                what = "a link" if member.issym() or member.islnk() else "no plain file"
                raise BadArchive(f"{member.name!r} is {what}")
            path = _safe(member.name)
            _count(held, path, limits)
            if member.size > room:
                _check_room(-1, limits)
            file = archive.extractfile(member)
            data = file.read(room + 1) if file else b""
            room -= len(data)
            _check_room(room, limits)
            held[path] = (member.mode & 0o777 or 0o644, data)


def _safe(name: str) -> str:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or not parts or ":" in parts[0]:
        raise BadArchive(f"{name[:200]!r} leads out of the archive")
    return "/".join(parts)


def _count(held: dict[str, tuple[int, bytes]], path: str, limits: Limits) -> None:
    if len(held) >= limits.context_files:
        raise ArchiveTooLarge(f"more than {limits.context_files} files", f"{limits.context_files} files")
    if path in held:
        raise BadArchive(f"{path[:200]!r} is in it twice")


def _check_room(room: int, limits: Limits) -> None:
    if room < 0:
        limit = size_text(limits.context)
        raise ArchiveTooLarge(f"more than {limit} unpacked", limit)


def _without_top_folder(held: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """Most tools pack the folder itself: where everything lies in one, that one is the context."""
    tops = {path.partition("/")[0] for path in held}
    if len(tops) != 1 or any("/" not in path for path in held):
        return held
    return {path.partition("/")[2]: value for path, value in held.items()}
