"""The files around a definition: none, a folder on disk, or what an archive held."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class OutsideFolder(ValueError):
    """The path leads out of the folder."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a folder: its path in it, permission bits and size; `link` where it is a symbolic link."""

    path: str
    mode: int
    size: int
    link: bool = False


class Folder(Protocol):
    """Files by their path, relative to the folder, with '/' between the parts."""

    def read(self, path: str, limit: int) -> bytes | None:
        """At most `limit` + 1 bytes of the file; None where there is none. Raises OutsideFolder."""

    def files(self, below: str = "") -> Iterator[FoundFile]:
        """Every file in the folder below this path, in order of their paths."""


def inside(base: str, path: str) -> str:
    """The path as seen from the folder, where it was written in a file of its subfolder `base`."""
    path = path.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(base, path.removeprefix("file:")))
    if path.startswith(("/", "~")) or joined == ".." or joined.startswith("../") or "\0" in path:
        raise OutsideFolder(path)
    return "" if joined == "." else joined


class NoFolder:
    """The text came alone: nothing is around it."""

    def read(self, path: str, limit: int) -> bytes | None:
        return None

    def files(self, below: str = "") -> Iterator[FoundFile]:
        return iter(())


class DiskFolder:
    """A folder on disk; links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            place = (self.root / path).resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        if not place.is_relative_to(self.root):
            raise OutsideFolder(path)
        if not place.is_file():
            return None
        with place.open("rb") as file:
            return file.read(limit + 1)

    def files(self, below: str = "") -> Iterator[FoundFile]:
        start = self.root / below
        for place in sorted(start.rglob("*")):
            link = place.is_symlink()
            if link or place.is_file():
                info = place.lstat()
                path = place.relative_to(start).as_posix()
                yield FoundFile(path, info.st_mode & 0o7777, info.st_size, link)


@dataclass(frozen=True, slots=True)
class MemoryFolder:
    """What an archive held: mode and bytes by path."""

    held: Mapping[str, tuple[int, bytes]]

    def read(self, path: str, limit: int) -> bytes | None:
        found = self.held.get(path)
        return None if found is None else found[1][: limit + 1]

    def files(self, below: str = "") -> Iterator[FoundFile]:
        start = f"{below}/" if below else ""
        for path in sorted(self.held):
            if path.startswith(start):
                mode, content = self.held[path]
                yield FoundFile(path[len(start) :], mode, len(content))
