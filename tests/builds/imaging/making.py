"""Wheels, indexes and layers made at test time."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from isal import igzip

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.store import BlobStore

PYTHON = (3, 11)


def make_wheel(
    folder: Path,
    name: str = "shop",
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    needs: Iterable[str] = (),
    entry_points: str = "",
    executable: Iterable[str] = (),
    stored: Iterable[str] = (),
) -> Path:
    """Return a wheel with these files, as a build tool would have made it."""
    contents: dict[str, bytes] = {
        path: text.encode() if isinstance(text, str) else text
        for path, text in (files if files is not None else {f"{name}/__init__.py": "x = 1\n"}).items()
    }
    info = f"{name}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    contents[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}".encode()
    )
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if entry_points:
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    rows.writerows((path, recorded(data), len(data)) for path, data in contents.items())
    rows.writerow((f"{info}/RECORD", "", ""))
    contents[f"{info}/RECORD"] = record.getvalue().encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if path in executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_STORED if path in stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return wheel


def recorded(data: bytes) -> str:
    """Return a hash as RECORD has it."""
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


BACKEND = """
import zipfile
{code}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    print("settings:", config_settings, flush=True)
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        for path, text in {files!r}.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return name
"""


def make_sdist(
    folder: Path,
    name: str = "source",
    version: str = "1.0",
    *,
    says: Iterable[str] = (),
    needs: Iterable[str] = (),
    code: str = "",
    requires: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Return a source distribution that builds itself with nothing but Python, unless it has other files.

    It says that it needs something, and its wheel needs something; `code` runs when it is built, with what it
    `requires` for that.
    """
    info = f"{name}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    built = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": about + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    project = (
        f'[build-system]\nrequires = {list(requires)}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    own = {
        "pyproject.toml": project,
        "backend.py": BACKEND.format(name=name, version=version, files=built, code=code),
    }
    contents = {"PKG-INFO": about + "".join(f"Requires-Dist: {need}\n" for need in says)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in {**contents, **(own if files is None else files)}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{file}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def wheel_file(path: Path) -> WheelFile:
    """Return a wheel as fetching would have left it."""
    name, version = path.name.split("-")[:2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WheelFile(name.lower().replace("_", "-"), version, path, digest, path.stat().st_size)


def locked(*wheels: Path, requested: Collection[str] | None = None) -> tuple[Lock, Fetched]:
    """Return a lock of these wheels, all or these of them requested, and the wheels as fetched."""
    files = tuple(sorted((wheel_file(path) for path in wheels), key=lambda w: w.name))
    packages = tuple(
        LockedPackage(
            ecosystem="pypi",
            name=file.name,
            version=file.version,
            url=f"https://index.example/{file.path.name}",
            sha256=file.sha256,
            filename=file.path.name,
            kind="wheel",
            requested=requested is None or file.name in requested,
        )
        for file in files
    )
    return Lock(python="3.11.7", platform="manylinux_2_36_x86_64", packages=packages), Fetched(files, 0)


def empty_base() -> Base:
    """Return a base that has no layers, and says that it has a Python."""
    probe = Probe(python="/usr/local/bin/python3.11", version="3.11.7", libc="glibc", libc_version="2.36")
    return Base("base.example/python:3.11", "sha256:" + "0" * 64, (), (), {"config": {}}, probe)


def as_it_is(member: tarfile.TarInfo, _path: str) -> tarfile.TarInfo:
    """Let a member be unpacked unchanged. Python has had the parameter `filter` since 3.11.4; Debian 12 has 3.11.2."""
    return member


def unpacked(store: BlobStore, digest: str, into: Path) -> list[str]:
    """Unpack a layer with the standard library's own tar, and return the paths in their order."""
    names = []
    with (
        store.open(digest) as file,
        igzip.open(file, "rb") as plain,  # type: ignore[no-untyped-call]
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        archive.extraction_filter = as_it_is
        for entry in archive:
            names.append(entry.name)
            archive.extract(entry, into)
    return names
