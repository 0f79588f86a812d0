"""The files around a definition: none, a folder on disk, or what an archive held."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_COMPRESSED_TARS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_OF_OTHER_TOOLS = frozenset((".git", ".svn", ".hg", "__MACOSX", "__pycache__"))


class OutsideFolder(ValueError):
    """The path leads out of the folder."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file or folder in a folder: its path in it, permission bits and size.

    `link` is true for a symbolic link that is not followed: it leads to `target`, a folder inside if `folder` is true.
    """

    path: str
    mode: int
    size: int
    link: bool = False
    target: str = ""
    folder: bool = False


class Folder(Protocol):
    """Files by their path, relative to the folder, with '/' between the parts."""

    def read(self, path: str, limit: int) -> bytes | None:
        """At most `limit` + 1 bytes of the file; None where there is none. Raises OutsideFolder."""

    def files(self, below: str = "") -> Iterator[FileEntry]:
        """Every file and folder below this path, one by one, in an order that is always the same."""

    def names(self) -> list[str]:
        """The files that lie in the folder itself, sorted."""


def is_archive(content: bytes) -> bool:
    """Whether these bytes begin as a zip or a (compressed) tar does."""
    return content.startswith((*ZIPS, *_COMPRESSED_TARS)) or content[257:262] == b"ustar"


def inside(base: str, path: str) -> str:
    """The path as seen from the folder, where it was written in a file of its subfolder `base`."""
    path = path.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(base, path.removeprefix("file:")))
    if path.startswith(("/", "~")) or joined == ".." or joined.startswith("../") or "\0" in path:
        raise OutsideFolder(path)
    return "" if joined == "." else joined


def link_stays_inside(path: str, target: str) -> bool:
    """Whether a link at this path, with this target, leads to a path below the same root."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    outside = end == ".." or end.startswith("../")
    return bool(target) and not target.startswith("/") and "\0" not in target and not outside


class NoFolder:
    """The text came alone: nothing is around it."""

    def read(self, path: str, limit: int) -> bytes | None:
        return None

    def files(self, below: str = "") -> Iterator[FileEntry]:
        return iter(())

    def names(self) -> list[str]:
        return []


class DiskFolder:
    """A folder on disk; links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            target = (self.root / path).resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        if not target.is_relative_to(self.root):
            raise OutsideFolder(path)
        if not target.is_file():
            return None
        with target.open("rb") as file:
            return file.read(limit + 1)

    def files(self, below: str = "") -> Iterator[FileEntry]:
        yield from self._walk(self.root / below, "")

    def names(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self.root) if entry.is_file())

    def _walk(self, folder: Path, prefix: str) -> Iterator[FileEntry]:
        """Lazily, so that a limit can stop in a folder of a million files."""
        if not folder.is_dir():
            return
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = prefix + entry.name
            if entry.is_symlink():
                yield self._linked(Path(entry.path), path)
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in _OF_OTHER_TOOLS:
                    yield FileEntry(path, 0o755, 0, folder=True)
                    yield from self._walk(Path(entry.path), f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                info = entry.stat(follow_symlinks=False)
                yield FileEntry(path, info.st_mode & 0o7777, info.st_size)

    def _linked(self, link: Path, path: str) -> FileEntry:
        """A link to a file inside is that file; any other is named as what it is."""
        folder, target = False, ""
        try:
            target = str(link.readlink())
            end = link.resolve()
            if end.is_relative_to(self.root) and end.is_file():
                info = end.stat()
                return FileEntry(path, info.st_mode & 0o7777, info.st_size)
            folder = end.is_relative_to(self.root) and end.is_dir()
        except (OSError, RuntimeError):
            folder = False
        return FileEntry(path, 0, 0, link=True, target=target, folder=folder)


class RecordedFolder:
    """A folder that remembers the files that were read from it to their ends."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._content: dict[str, bytes] = {}

    def read(self, path: str, limit: int) -> bytes | None:
        content = self._folder.read(path, limit)
        if content is not None and len(content) <= limit:
            self._content[path] = content
        return content

    def files(self, below: str = "") -> Iterator[FileEntry]:
        return self._folder.files(below)

    def names(self) -> list[str]:
        return self._folder.names()

    def texts(self, most: int) -> dict[str, bytes]:
        """Return what was read, by its paths; nothing if it is more than this, or if one of them is no text."""
        content = self._content.values()
        if sum(map(len, content)) > most or any(b"\0" in part for part in content):
            return {}
        return dict(self._content)


@dataclass(frozen=True, slots=True)
class MemoryFolder:
    """The content of an archive: mode and bytes by path, the paths of folders, and the targets of links to folders."""

    held: Mapping[str, tuple[int, bytes]]
    folders: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str, limit: int) -> bytes | None:
        entry = self.held.get(path)
        return None if entry is None else entry[1][: limit + 1]

    def files(self, below: str = "") -> Iterator[FileEntry]:
        start = f"{below}/" if below else ""
        for path in sorted((*self.held, *self.folders, *self.links)):
            if not path.startswith(start):
                continue
            inner = path[len(start) :]
            if path in self.links:
                yield FileEntry(inner, 0, 0, link=True, target=self.links[path], folder=True)
            elif path in self.folders:
                yield FileEntry(inner, 0o755, 0, folder=True)
            else:
                mode, content = self.held[path]
                yield FileEntry(inner, mode, len(content))

    def names(self) -> list[str]:
        return sorted(path for path in self.held if "/" not in path)
