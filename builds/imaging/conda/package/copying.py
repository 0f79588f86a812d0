"""Copy a conda package so that an installer sees only what was checked, written in one plain form.

Two readers of an archive can differ: about a file that is in it twice, a name, a second frame, a link. So the
installer never reads the maker's archive, but this copy.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from builds.imaging.conda.package.metadata import Metadata, MetadataFiles
from builds.imaging.conda.package.names import BadName, Kind, Tree, refuse_unusable, shown
from builds.imaging.conda.package.reading import Member, bad, members, readable
from builds.imaging.files import WheelFile
from builds.imaging.oci.store import disk_errors

_FASTEST = -20
_RECORDS = "conda-meta"
_HISTORY = f"{_RECORDS}/history"


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a package, and the files that installing it makes, by their paths in the environment."""

    path: Path
    metadata: Metadata
    installs: dict[str, Kind]


def copied(file: WheelFile, folder: Path, python: tuple[int, int]) -> Copy:
    """Check everything in a package and return its copy in the folder, for that Python; zeros for none."""
    path = folder / f"{file.path.name.removesuffix('.tar.bz2').removesuffix('.conda')}.conda"
    info = MetadataFiles(file)
    with disk_errors(), zipfile.ZipFile(path, "w") as outer:
        outer.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        with _tar(outer, f"pkg-{path.stem}.tar.zst") as archive:
            files = _Files(file)
            for member in members(file):
                if member.metadata:
                    info.take(member)
                files.add(member, archive)
            metadata = info.parsed()
            with readable(file):
                files.agree(metadata)
                files.tree.refuse_hidden()
                installs = _installed(metadata, files.links, python)
            files.write_links(metadata, archive)
        with _tar(outer, f"info-{path.stem}.tar.zst") as archive:
            for name, text in metadata.texts().items():
                _write(archive, name, text.encode())
    return Copy(path, metadata, installs)


class _Files:
    """The files of the package on their way into its copy."""

    def __init__(self, file: WheelFile) -> None:
        self.tree = Tree()
        self._file = file
        self._sizes: dict[str, int] = {}
        self.links: dict[str, str] = {}

    def add(self, member: Member, archive: tarfile.TarFile) -> None:
        """Write a regular file into the copy; note any other."""
        with readable(self._file):
            self.tree.add(member.path, member.kind)
        if member.metadata:
            return
        if member.kind is Kind.LINK:
            self.links[member.path] = member.target
        elif member.hard:
            if member.target not in self._sizes:
                raise bad(self._file, f"“{shown(member.path)}” in it is a link to no file of it")
            self._sizes[member.path] = self._sizes[member.target]
            entry = _entry(member.path, 0, executable=member.executable)
            entry.type, entry.linkname = tarfile.LNKTYPE, member.target
            archive.addfile(entry)
        elif member.kind is Kind.FILE:
            self._sizes[member.path] = member.size
            archive.addfile(_entry(member.path, member.size, executable=member.executable), member.content)

    def agree(self, metadata: Metadata) -> None:
        """Make every listed path what it is in the archive; raise `BadName` for a path that is not there."""
        for path, entry in metadata.paths.items():
            if path not in self.tree.kinds and entry.get("path_type") == Kind.FOLDER.value:
                self.tree.add(path, Kind.FOLDER)
            kind = self.tree.kinds.get(path)
            if kind is None:
                raise BadName(f"it lists “{shown(path)}”, which is not in it")
            entry["path_type"] = kind.value
            if kind is Kind.FILE:
                if "size_in_bytes" in entry:
                    entry["size_in_bytes"] = self._sizes[path]
                continue
            for key in ("prefix_placeholder", "file_mode"):
                entry.pop(key, None)

    def write_links(self, metadata: Metadata, archive: tarfile.TarFile) -> None:
        """Write the listed symbolic links and folders into the copy."""
        for path in metadata.paths:
            kind = self.tree.kinds[path]
            if kind is Kind.FILE:
                continue
            entry = _entry(path, 0, executable=True)
            entry.type = tarfile.SYMTYPE if kind is Kind.LINK else tarfile.DIRTYPE
            entry.linkname = self.links.get(path, "")
            archive.addfile(entry)


def _installed(metadata: Metadata, links: Mapping[str, str], python: tuple[int, int]) -> dict[str, Kind]:
    """Return what installing makes; raise `BadName` unless each file has a path of its own in the environment."""
    if metadata.index.get("noarch") == "python" and python == (0, 0):
        raise BadName("it is a Python package, and the environment has no Python")
    tree, targets = Tree(), dict[str, str]()
    commands = {f"bin/{command}" for command in metadata.entry_points}
    for path, entry in list(metadata.paths.items()):
        destination = _destination(path, metadata, python)
        if destination in commands and entry["path_type"] == Kind.FILE.value:
            # The entry point is made last, so it is what remains.
            del metadata.paths[path]
            continue
        if destination.startswith(f"{_RECORDS}/") and (
            destination.endswith(".json") or destination == _HISTORY
        ):
            raise BadName(f"it lists “{shown(path)}”, which is conda's own record")
        tree.add(destination, Kind(entry["path_type"]))
        if path in links:
            targets[destination] = links[path]
    for path in sorted(commands):
        tree.add(path, Kind.FILE)
    # The installer adds this file itself; it must not end up behind a link either.
    tree.add(_HISTORY, Kind.FILE)
    tree.refuse_hidden()
    for path, target in targets.items():
        refuse_unusable(target)
        if not tree.inside(path, target):
            raise BadName(f"the link “{shown(path)}” in it leads out of the environment")
    return tree.kinds


def _destination(path: str, metadata: Metadata, python: tuple[int, int]) -> str:
    """Return the path in the environment. Modules go where its Python looks for them."""
    if metadata.index.get("noarch") != "python":
        return path
    folder, slash, rest = path.partition("/")
    if slash and folder == "site-packages":
        return f"lib/python{python[0]}.{python[1]}/site-packages/{rest}"
    return f"bin/{rest}" if slash and folder == "python-scripts" else path


@contextmanager
def _tar(outer: zipfile.ZipFile, name: str) -> Iterator[tarfile.TarFile]:
    """Write an archive into the package, hardly compressed: it is read once, and soon."""
    codec = zstandard.ZstdCompressor(level=_FASTEST)
    with (
        outer.open(name, "w", force_zip64=True) as raw,
        codec.stream_writer(raw, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive


def _entry(path: str, size: int, *, executable: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size, 0o755 if executable else 0o644
    return entry


def _write(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_entry(name, len(data), executable=False), io.BytesIO(data))
