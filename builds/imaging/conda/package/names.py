"""Names in a conda package: one form for each, none that leads elsewhere, no two for the same file."""

from __future__ import annotations

import unicodedata
from enum import Enum
from typing import Final

MOST_NAME_BYTES: Final = 255
MOST_PATH_BYTES: Final = 1024
WHITEOUT: Final = ".wh."


class Kind(Enum):
    """The kind of a file in a package; the names are those of paths.json."""

    FILE = "hardlink"
    LINK = "softlink"
    FOLDER = "directory"


class BadName(ValueError):
    """A name that no package may use. Its text continues “cannot be used: …”."""


def normalised(path: str) -> str:
    """Return a relative path without `.` and doubled slashes; raise `BadName` for one that cannot be unpacked."""
    if path.startswith("/") or "\0" in path or "\\" in path:
        raise BadName(f"“{shown(path)}” in it leads out of the environment")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadName(f"“{shown(path)}” in it leads out of the environment")
    result = "/".join(parts)
    refuse_unusable(result)
    return result


def refuse_unusable(path: str) -> None:
    """Raise `BadName` for a path, or a link's target, that systems cannot have."""
    parts = path.split("/")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise BadName(f"the name “{shown(path)}” in it is not UTF-8") from None
    if size > MOST_PATH_BYTES or any(len(part.encode()) > MOST_NAME_BYTES for part in parts):
        raise BadName(f"the name “{shown(path)}” in it is longer than systems allow")
    if not path.isprintable() and any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        raise BadName(f"the name “{shown(path)}” in it has control characters")
    if WHITEOUT in path and any(part.startswith(WHITEOUT) for part in parts):
        # In a layer such a name deletes a file of the layers below.
        raise BadName(f"the name “{shown(path)}” in it would delete files of the image")


def shown(path: str) -> str:
    """Return a name as a message may show it: short, and printable."""
    text = "".join(letter if letter.isprintable() else "�" for letter in path[:100])
    return text + "…" if len(path) > 100 else text


class Tree:
    """The files of one package by their normalised paths: no two at one path, and none behind a link."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self._composed: dict[str, str] = {}

    def add(self, path: str, kind: Kind) -> None:
        """Add a file; raise `BadName` for a second file at its path or at the same path in other Unicode."""
        if path in self.kinds:
            if kind is Kind.FOLDER and self.kinds[path] is Kind.FOLDER:
                return
            raise BadName(f"“{shown(path)}” is in it more than once")
        self.kinds[path] = kind
        if not path.isascii():
            composed = unicodedata.normalize("NFC", path)
            twin = self._composed.setdefault(composed, path)
            if twin != path:
                raise BadName(f"“{shown(path)}” is in it more than once, in other Unicode")

    def inside(self, path: str, target: str) -> bool:
        """Return whether the symbolic link at `path` leads to somewhere inside the environment.

        `a/..` is where it seems to be only if `a` is no link, so nothing climbs from behind another link.
        """
        if not target or target.startswith("/") or "\0" in target or "\\" in target:
            return False
        current = path.split("/")[:-1]
        behind_link = False
        for part in target.split("/"):
            if part == "..":
                if not current or behind_link:
                    return False
                current.pop()
            elif part not in ("", "."):
                current.append(part)
                behind_link = behind_link or self.kinds.get("/".join(current)) is Kind.LINK
        return True

    def refuse_hidden(self) -> None:
        """Raise `BadName` for a file behind a link or behind another file.

        Links count however their letters are written: not every disk tells `bin` from `BIN`.
        """
        links = {_folded(path) for path, kind in self.kinds.items() if kind is Kind.LINK}
        folders: set[str] = set()
        for path in self.kinds:
            folder = path
            while (cut := folder.rfind("/")) > 0 and (folder := folder[:cut]) not in folders:
                folders.add(folder)
                if _folded(folder) in links:
                    raise BadName(f"“{shown(path)}” in it lies behind a link")
                if self.kinds.get(folder) is Kind.FILE:
                    raise BadName(f"“{shown(path)}” in it lies behind a file")


def _folded(path: str) -> str:
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
