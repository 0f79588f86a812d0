"""The Python distributions and conda packages in a base's layers, by the metadata that installers leave.

Used in a confined process (`probe_worker`): names, versions and paths are foreign. Bounded are the bytes that are read of
a file, the packages that are held, and the length of each text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from builds.imaging.oci.tar import DIRECTORY, LINK
from builds.imaging.oci.untar import Entry, Untar

MOST_PACKAGES = 20_000
MOST_BYTES = 64 * 1024  # of metadata: its fields come before the description
MOST_LIST_BYTES = 1024**2  # of dpkg's list of a package's files
MOST_CHARACTERS = 200
MOST_FOLDER = 500  # characters
MOST_FOLDERS = 100_000

_METADATA = re.compile(
    r"(?P<folder>/(?:.*/)?(?:site|dist)-packages)/(?P<name>[^/]{1,400})\."
    r"(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info|egg/EGG-INFO/PKG-INFO)"
)
_CONDA = re.compile(r"(?P<folder>/(?:.*/)?conda-meta)/(?P<name>[^/]{1,400})\.json")
# Conda unpacks there what it installs from, with the folders that packages have once they are installed.
_CONDA_CACHE = re.compile(r"/pkgs/[^/]+/")
_FOLDERS = {"site-packages", "dist-packages", "conda-meta"}
_LIST = re.compile(r"/var/lib/dpkg/info/[^/]+\.list")
_OWNED = re.compile(rb"^(/[^\n]{1,2000}\.(?:dist|egg)-info)(?:/(?:METADATA|PKG-INFO))?\r?$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_CONDA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")


@dataclass(frozen=True, slots=True, order=True)
class Installed:
    """A package of a base: its ecosystem (pypi or conda), and the folder that says that it is installed."""

    ecosystem: str
    name: str
    version: str
    folder: str


class Distributions:
    """The packages that are installed after the layers so far, by the paths of their metadata."""

    def __init__(self) -> None:
        self._known: dict[str, Installed] = {}
        self._folders: set[str] = set()
        """All folders above what is known: a link or a file there takes away what was in it."""
        self._owned: dict[str, tuple[str, ...]] = {}
        """Paths that a distribution's own packages brought, by dpkg's lists."""
        self._count = 0
        self._fresh: set[str] = set()
        self._covered: set[str] = set()

    def notice(self, path: str, entry: Entry, archive: Untar) -> None:
        """Read an entry of a layer if it tells a package."""
        if entry.kind != DIRECTORY and path in self._folders:
            self._covered.add(path)
        if "-info" not in path and "-meta/" not in path and "/dpkg/info/" not in path and ".egg/" not in path:
            return
        if posixpath.basename(path).startswith(".wh."):
            return
        self._forget_one(path)
        if entry.plain and _LIST.fullmatch(path):
            self._read_list(path, archive.read(MOST_LIST_BYTES))
            return
        if not entry.plain and entry.kind != LINK:
            return
        package = self._package(path, entry, archive)
        if package is not None and len(self._known) < MOST_PACKAGES:
            self._known[path] = package
            self._fresh.add(path)
            if len(self._folders) < MOST_FOLDERS:
                self._folders.update(_above(path))

    def end_layer(self, gone: set[str]) -> None:
        """Take away what whiteouts, and links and files over folders, have hidden of the layers below."""
        if gone or self._covered:
            for known in (self._known, self._owned):
                for path in [p for p in known if p not in self._fresh and self._hidden(p, gone)]:
                    known.pop(path)
        self._fresh, self._covered = set(), set()

    def installed(self, *, owned: bool) -> list[Installed]:
        """Return what is installed, each once; without what dpkg's packages brought if those are known by dpkg."""
        brought = {path for paths in self._owned.values() for path in paths} if owned else set()
        return sorted(
            {
                package
                for path, package in self._known.items()
                if path not in brought and posixpath.dirname(path) not in brought
            }
        )

    def _hidden(self, path: str, gone: set[str]) -> bool:
        return path in gone or any(
            folder in gone or f"{folder}/" in gone or folder in self._covered for folder in _above(path)
        )

    def _forget_one(self, path: str) -> None:
        self._known.pop(path, None)
        self._owned.pop(path, None)

    def _read_list(self, path: str, content: bytes) -> None:
        paths = tuple(match[1].decode(errors="replace") for match in _OWNED.finditer(content))
        self._count += len(paths)
        if paths and self._count <= MOST_PACKAGES:
            self._owned[path] = paths
            self._fresh.add(path)

    def _package(self, path: str, entry: Entry, archive: Untar) -> Installed | None:
        if (match := _METADATA.fullmatch(path)) is not None:
            return self._distribution(match, entry, archive)
        match = _CONDA.fullmatch(path)
        if match is None or not _installed_in(match["folder"]):
            return None
        # NAME-VERSION-BUILD: the file itself may have megabytes, and says the same.
        name, version, build = ["", "", *match["name"].rsplit("-", 2)][-3:]
        usable = build and _usable(name, _CONDA_NAME) and _usable(version, _VERSION)
        return Installed("conda", name.lower(), version, match["folder"]) if usable else None

    def _distribution(self, match: re.Match[str], entry: Entry, archive: Untar) -> Installed | None:
        if not _installed_in(match["folder"]):
            return None
        name, version = _fields(archive.read(MOST_BYTES)) if entry.plain else ("", "")
        # A hard link has its content elsewhere; the name of the folder says the same.
        by_folder = match["name"].split("-")
        name = name or by_folder[0]
        version = version or (by_folder[1] if len(by_folder) > 1 else "")
        if not _usable(name, _NAME) or not _usable(version, _VERSION):
            return None
        return Installed("pypi", re.sub(r"[-_.]+", "-", name).lower(), version, match["folder"])


def _installed_in(folder: str) -> bool:
    return len(folder) <= MOST_FOLDER and folder.isprintable() and not _in_conda_cache(folder)


def _in_conda_cache(folder: str) -> bool:
    above, slash, name = folder.rpartition("/")
    return name in _FOLDERS and _CONDA_CACHE.search(above + slash) is not None


def _above(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path
    yield path


def _usable(text: str, pattern: re.Pattern[str]) -> bool:
    return 0 < len(text) <= MOST_CHARACTERS and pattern.fullmatch(text) is not None


def _fields(content: bytes) -> tuple[str, str]:
    """Return name and version of metadata, each the first that it has; empty for none."""
    fields: dict[bytes, str] = {}
    for line in content.splitlines():
        if not line.strip():
            break
        name, colon, value = line.partition(b":")
        if colon and name.lower() in (b"name", b"version"):
            fields.setdefault(name.lower(), value[:1_000].decode(errors="replace").strip())
    return fields.get(b"name", ""), fields.get(b"version", "")
