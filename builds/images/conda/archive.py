"""Conda packages as files: what is in one, read before anything of it is installed."""

from __future__ import annotations

import bz2
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from builds.images import tar
from builds.images.report import ImageError
from builds.images.segment import WheelFile

MOST_FILES = 400_000
MOST_BYTES = 30 * 1024**3
_MOST_INFO = 64 * 1024**2
_WINDOW = 1 << 31
_INDEX, _PATHS, _FILES = _INFO = ("info/index.json", "info/paths.json", "info/files")
_DIST = re.compile(r"(?:^|/)site-packages/(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-/]+)\.dist-info/METADATA$")
_EGG = re.compile(
    r"(?:^|/)site-packages/(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-/]+)(?:-py[\d.]+)?\.egg-info(?:/PKG-INFO)?$"
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a package says of itself: `index` as the channel lists it, and the paths that it installs."""

    index: dict[str, Any]
    paths: tuple[str, ...]

    @property
    def noarch_python(self) -> bool:
        """Whether its files go wherever the environment's Python keeps modules."""
        return self.index.get("noarch") == "python"

    @property
    def post_link(self) -> bool:
        """Whether it has a script that wants to run once the package is installed."""
        return f"bin/.{self.index.get('name', '')}-post-link.sh" in self.paths

    @property
    def pre_link(self) -> bool:
        """Whether it has a script that wants to run before the package is installed."""
        return f"bin/.{self.index.get('name', '')}-pre-link.sh" in self.paths

    @property
    def distributions(self) -> tuple[str, ...]:
        """Return what pip would list of it, as name==version."""
        found = (_DIST.search(path) or _EGG.search(path) for path in self.paths)
        return tuple(sorted({f"{hit['name']}=={hit['version']}" for hit in found if hit}))


def contents(file: WheelFile) -> Contents:
    """Return what the package says of itself."""
    read: dict[str, bytes] = {}
    seen = 0
    with _readable(file), _info_tar(file.path) as archive:
        for member in archive:
            seen += member.size
            if seen > MOST_BYTES or (member.name in _INFO and member.size > _MOST_INFO):
                raise _bad(file, f"its {member.name} is too large")
            if member.name in _INFO and member.isfile():
                read[member.name] = cast(IO[bytes], archive.extractfile(member)).read()
                if {_INDEX, _PATHS} <= read.keys():
                    break
        index = json.loads(read[_INDEX])
        paths = _paths(read)
    for path in paths:
        _refuse_escape(file, path)
    return Contents(index, paths)


def _paths(read: Mapping[str, bytes]) -> tuple[str, ...]:
    if _PATHS in read:
        return tuple(str(entry["_path"]) for entry in json.loads(read[_PATHS])["paths"])
    # Packages of before 2017 have a plain list.
    return tuple(line for line in read[_FILES].decode().splitlines() if line)


def refuse_hostile(file: WheelFile) -> None:
    """Raise unless everything in the package stays in its folder, and it is not too much to unpack."""
    count = size = 0
    links: set[str] = set()
    with _readable(file):
        for archive in _tars(file.path):
            with archive:
                for member in archive:
                    count, size = count + 1, size + member.size
                    _refuse_escape(file, member.name)
                    if member.islnk():
                        _refuse_escape(file, member.linkname)
                    if member.issym():
                        links.add(member.name.rstrip("/"))
                    if links and any(parent.rstrip("/") in links for parent in tar.parents(member.name)):
                        raise _bad(file, f"“{member.name}” in it lies behind a link")
                    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                        raise _bad(file, f"“{member.name}” in it is a device")
                    if count > MOST_FILES or size > MOST_BYTES:
                        raise _bad(file, "it is too large unpacked")


def _refuse_escape(file: WheelFile, path: str) -> None:
    if path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise _bad(file, f"“{path}” in it leads out of the environment")


@contextmanager
def _info_tar(path: Path) -> Iterator[tarfile.TarFile]:
    archives = _tars(path, "info-")
    with next(archives) as archive:
        yield archive


def _tars(path: Path, only: str = "") -> Iterator[tarfile.TarFile]:
    """Yield the archives that a package consists of: one in the old format, two in a zip in the new one."""
    if path.name.endswith(".tar.bz2"):
        with bz2.open(path) as plain:
            yield tarfile.open(fileobj=plain, mode="r|")  # noqa: SIM115
        return
    with zipfile.ZipFile(path) as outer:
        names = [name for name in outer.namelist() if name.endswith(".tar.zst") and name.startswith(only)]
        if not names:
            raise tarfile.ReadError("no archive in it")
        for name in names:
            reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
            with outer.open(name) as packed, reader.stream_reader(packed) as plain:
                yield tarfile.open(fileobj=plain, mode="r|")  # noqa: SIM115


@contextmanager
def _readable(file: WheelFile) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zstandard.ZstdError,
        KeyError,
        ValueError,
        TypeError,
    ) as error:
        raise _bad(file, str(error) or "it cannot be read") from error
    except (EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _bad(file, str(error) or "it is cut off") from error


def _bad(file: WheelFile, why: str) -> ImageError:
    return ImageError(
        "bad-package",
        f"{file.path.name} is no conda package that can be used: {why}.",
        "Pin another version or build of it, and tell its makers.",
    )
