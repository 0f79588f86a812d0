"""Make conda packages that no packaging tool makes, and pack them as builds do."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builds.imaging.conda.files import CondaFile
from builds.imaging.conda.packing import CondaPacker, CondaSegments
from builds.imaging.conda.staging import Target
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop

SECRET = b"the studio's secret key"
Entry = tuple[tarfile.TarInfo, bytes]


def raw(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> Entry:
    """Return a tar entry as it is, however senseless."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size, entry.mode = kind, target, len(data), 0o755
    return entry, data


def link(name: str, target: str) -> Entry:
    return raw(name, kind=tarfile.SYMTYPE, target=target)


def listed(*paths: str, kind: str = "hardlink", **more: Any) -> dict[str, Any]:
    """Return a paths.json that lists these paths."""
    return {"paths": [{"_path": path, "path_type": kind, **more} for path in paths], "paths_version": 1}


def tar_of(entries: Iterable[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Making:
    """A package in the making: its members, what it lists, and what may be wrong with its metadata."""

    members: list[Entry] = field(default_factory=list)
    paths: dict[str, Any] | None = None
    entry_points: list[str] | None = None
    index: dict[str, Any] = field(default_factory=dict)
    more_info: list[Entry] = field(default_factory=list)
    name: str = "evil"
    version: str = "1.0"

    def info(self) -> list[Entry]:
        index: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "build": "0",
            "build_number": 0,
            "depends": [],
            "subdir": "noarch" if self.entry_points is not None else "linux-64",
        }
        if self.entry_points is not None:
            index["noarch"] = "python"
        paths = self.paths if self.paths is not None else self._everything()
        texts: dict[str, Any] = {"info/index.json": index | self.index, "info/paths.json": paths}
        if self.entry_points is not None:
            noarch = {"type": "python", "entry_points": self.entry_points}
            texts["info/link.json"] = {"noarch": noarch, "package_metadata_version": 1}
        return [*(raw(name, json.dumps(text).encode()) for name, text in texts.items()), *self.more_info]

    def _everything(self) -> dict[str, Any]:
        kinds = {entry.name: "softlink" if entry.issym() else "hardlink" for entry, _ in self.members}
        paths = [{"_path": name, "path_type": kind} for name, kind in kinds.items()]
        return {"paths": paths, "paths_version": 1}

    def new(self, folder: Path) -> Path:
        """Return it as a .conda file."""
        return zipped(
            folder, zstandard.compress(tar_of(self.members)), zstandard.compress(tar_of(self.info())), self
        )

    def old(self, folder: Path) -> Path:
        """Return it as a .tar.bz2 file."""
        path = folder / f"{self.name}-{self.version}-0.tar.bz2"
        path.write_bytes(bz2.compress(tar_of([*self.info(), *self.members])))
        return path


def zipped(folder: Path, package: bytes, info: bytes, making: Making | None = None) -> Path:
    """Return a .conda file of these two archives."""
    making = making or Making()
    stem = f"{making.name}-{making.version}-0"
    path = folder / f"{stem}.conda"
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        outer.writestr(f"pkg-{stem}.tar.zst", package)
        outer.writestr(f"info-{stem}.tar.zst", info)
    return path


def fetched(path: Path) -> CondaFile:
    """Return the package as fetching would have."""
    name, version, _ = path.name.rsplit("-", 2)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    url = f"https://channel.example/linux-64/{path.name}"
    return CondaFile(
        name, version, path, digest, path.stat().st_size, url, "https://channel.example", "noarch"
    )


class Machine:
    """A worker's disk with a secret on it, and a workshop to pack in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.secret = self.outside / "secret"
        self.secret.write_bytes(SECRET)
        self.staging = folder / "staging"
        self.staging.mkdir()
        self.made = folder / "made"
        self.made.mkdir()
        self.workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")

    def pack(self, package: Path, python: CondaFile | None = None) -> list[str]:
        """Pack a package into a layer, and return the layer's paths in the environment."""
        packer = CondaPacker(Target(python, "linux-64", self.staging), None)
        file, out = fetched(package), self.workshop.store.staging() / "out"
        segments = CondaSegments(self.workshop, python, None)
        segment = segments.keep(file, packer.pack(file, out, alone=True), out, alone=True)
        return [path.removeprefix("opt/env/") for path in segment.files]

    def python(self, version: str = "3.11.7", **index: Any) -> CondaFile:
        """Return a Python for the environment."""
        making = Making([raw("bin/python")], name="python", version=version, index=index)
        return fetched(making.new(self.made))

    def layers(self) -> list[bytes]:
        """Return the layers as plain tar."""
        blobs = self.folder / "store" / "blobs" / "sha256"
        return [gzip.decompress(path.read_bytes()) for path in blobs.iterdir()]

    def files(self) -> dict[str, bytes]:
        """Return the files of the layers by their paths in the environment."""
        result = {}
        for layer in self.layers():
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                for entry in archive:
                    content = archive.extractfile(entry) if entry.isfile() else None
                    data = content.read() if content else entry.linkname.encode()
                    result[entry.name.removeprefix("opt/env/")] = data
        return result

    def check(self) -> None:
        """Assert that nothing outside was written or read, and that nothing is left."""
        assert {path.name: path.read_bytes() for path in self.outside.iterdir()} == {"secret": SECRET}
        assert list(self.staging.iterdir()) == []
        environ = Path("/proc/self/environ").read_bytes()
        for layer in self.layers():
            assert SECRET not in layer
            assert environ[:200] not in layer


def refused(machine: Machine, package: Path, **more: Any) -> str:
    """Return why a package is refused; it is the package's fault, never the studio's."""
    with pytest.raises(ImageError) as error:
        machine.pack(package, **more)
    assert (error.value.code, error.value.fault) == ("bad-package", "outside")
    assert package.name in error.value.message
    assert error.value.help
    assert len(error.value.message) < 500
    return error.value.message
