"""Conda packages and channels made at test time, a real Python among them, and a base without one."""

from __future__ import annotations

import asyncio
import bz2
import datetime as dt
import hashlib
import importlib.util
import io
import json
import marshal
import os
import platform
import shutil
import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import zstandard
from rattler.index import index_fs

from builds.imaging.bases.host import (
    _COMMANDS,
    _NAME,
    _extensions,
    _interpreter,
    _libraries,
    _modules,
    _probe,
    _stdlib,
    _written,
)
from builds.imaging.bases.model import Base, base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop

PLACEHOLDER = "/opt/placeholder" + "_placehold" * 20
VERSION = platform.python_version()
_EVERY = struct.Struct("<4sIII")

Content = bytes | Path | tuple[str]
"""A file's bytes, a file of this machine, or the target of a symbolic link in a tuple of its own."""


def make_package(
    channel: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str | Content] | None = None,
    *,
    subdir: str = "linux-64",
    build: str = "h0_0",
    build_number: int = 0,
    needs: Iterable[str] = (),
    entry_points: Iterable[str] = (),
    placeholders: Mapping[str, str] | None = None,
    placeholder: str = PLACEHOLDER,
    executable: Iterable[str] = (),
    old_format: bool = False,
    before_2017: bool = False,
) -> Path:
    """Return a conda package with these files; `placeholders` are "text" or "binary" by their paths.

    In `noarch` it is a Python package, whose modules are in site-packages/.
    """
    contents = {p: c.encode() if isinstance(c, str) else c for p, c in (files or {}).items()}
    index: dict[str, Any] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": build_number,
        "subdir": subdir,
        "depends": [*needs],
        "timestamp": 1_700_000_000_000,
    }
    if subdir == "noarch":
        index["noarch"] = "python"
    listed = [_listed(p, c, (placeholders or {}).get(p), placeholder) for p, c in contents.items()]
    info: dict[str, Content] = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": listed, "paths_version": 1}).encode(),
        "info/files": "\n".join(contents).encode(),
        "info/about.json": b"{}",
    }
    if subdir == "noarch":
        link = {"noarch": {"type": "python", "entry_points": [*entry_points]}, "package_metadata_version": 1}
        info["info/link.json"] = json.dumps(link).encode()
    if before_2017:
        del info["info/paths.json"]
        rows = "".join(f"{placeholder} {kind} {path}\n" for path, kind in (placeholders or {}).items())
        info["info/has_prefix"] = rows.encode()
    folder = channel / subdir
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{version}-{build}"
    runs = set(executable)
    if old_format:
        package = folder / f"{stem}.tar.bz2"
        package.write_bytes(bz2.compress(_tar({**info, **contents}, runs)))
        return package
    package = folder / f"{stem}.conda"
    codec = zstandard.ZstdCompressor(1)
    with zipfile.ZipFile(package, "w") as outer:
        outer.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        outer.writestr(f"pkg-{stem}.tar.zst", codec.compress(_tar(contents, runs)))
        outer.writestr(f"info-{stem}.tar.zst", codec.compress(_tar(info, set())))
    return package


def make_module(channel: Path, name: str, version: str = "1.0", **more: Any) -> Path:
    """Return a noarch Python package with one module, and what pip lists of it."""
    source = f"def main():\n    print('{name} {version}')\n"
    info = f"site-packages/{name}-{version}.dist-info"
    files = {
        f"site-packages/{name}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "conda\n",
    }
    needs = ("python >=3.8", *more.pop("needs", ()))
    return make_package(channel, name, version, files, subdir="noarch", build="py_0", needs=needs, **more)


def make_python(channel: Path) -> Path:
    """Return this machine's Python as a conda package, which finds its library by a rewritten path."""
    prefix = sys.base_prefix
    library = f"lib{_NAME}.so.1.0"
    files: dict[str, str | Content] = {
        f"bin/{_NAME}": _interpreter(),
        "bin/python": (_NAME,),
        "bin/python3": (_NAME,),
    }
    files |= {f"lib/{_NAME}/{path.relative_to(_stdlib())}": path for path in _modules()}
    files |= {
        f"lib/{_NAME}/lib-dynload/{path.name}": path
        for path in sorted(_extensions().glob("*.so"))
        if not path.name.startswith(("_tkinter", "_test"))
    }
    if (Path(prefix) / "lib" / library).is_file():
        files[f"lib/{library}"] = Path(prefix) / "lib" / library
    if "dist-packages" in (_stdlib() / "site.py").read_text():
        # Debian's Python looks elsewhere than all others, unless it is in a virtual environment.
        look = f"import site, sys\nsite.addsitedir(f'{{sys.prefix}}/lib/{_NAME}/site-packages')\n"
        files[f"lib/{_NAME}/sitecustomize.py"] = look
    decoder = (_stdlib() / "json" / "decoder.py").read_bytes()
    files[f"lib/{_NAME}/json/__pycache__/decoder.{sys.implementation.cache_tag}.pyc"] = dated(decoder)
    # A prefix shorter than /opt/env (Debian's /usr) cannot be written over; such a Python needs it nowhere.
    rewritten = {}
    if len(prefix) > len("/opt/env"):
        rewritten = {path: "text" for path, c in files.items() if _holds(c, prefix.encode()) == "text"}
        # Not in the library: there the linker has put "3.11.7" into the end of the prefix.
        if _holds(_interpreter(), prefix.encode()):
            rewritten[f"bin/{_NAME}"] = "binary"
    return make_package(
        channel,
        "python",
        VERSION,
        files,
        executable=[f"bin/{_NAME}"],
        placeholders=rewritten,
        placeholder=prefix,
    )


def dated(source: bytes) -> bytes:
    """Return bytecode as conda packages have it: valid for a source of one time and size."""
    code = compile(source, "/build/decoder.py", "exec", dont_inherit=True)
    head = _EVERY.pack(importlib.util.MAGIC_NUMBER, 0, 1_700_000_000, len(source))
    return head + marshal.dumps(code)


def index(channel: Path) -> str:
    """Index the packages of a channel, and return its address as a folder."""
    for subdir in ("noarch", "linux-64"):
        (channel / subdir).mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel))
    return channel.absolute().as_uri()


def date_records(channel: Path, times: Mapping[str, str | None]) -> str:
    """Give the records of a channel upload times, by the beginning of their file names; None for none."""
    for listing in channel.glob("*/repodata.json"):
        listed = json.loads(listing.read_text())
        for name, record in [*listed["packages"].items(), *listed["packages.conda"].items()]:
            time = next((time for start, time in times.items() if name.startswith(start)), None)
            record.pop("indexed_timestamp", None)
            record.pop("timestamp", None)
            if time is not None:
                record["timestamp"] = int(dt.datetime.fromisoformat(time).timestamp() * 1000)
        listing.write_text(json.dumps(listed))
        # The same in other forms, which say otherwise.
        for other in (*listing.parent.glob("repodata_shards*"), *listing.parent.glob("repodata.json.*")):
            other.unlink()
    return channel.absolute().as_uri()


def bare_base(workshop: Workshop) -> Base:
    """Return a base with a shell and the libraries that Python needs, but without Python."""
    commands = {name: Path(result).resolve() for name in _COMMANDS.split() if (result := shutil.which(name))}
    programs = [_interpreter(), *sorted(_extensions().glob("*.so")), *commands.values()]
    files = {f"usr/bin/{name}": path for name, path in commands.items()}
    libraries = _libraries(programs, Quiet())
    files |= {p: result for p, result in libraries.items() if not Path(p).name.startswith("libpython")}
    links = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
    layer = _written(files, links, workshop, Quiet())
    config = {
        "architecture": _probe().architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin", "VIRTUAL_ENV=/elsewhere"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    probe = Probe(libc=_probe().libc, libc_version=_probe().libc_version, architecture=_probe().architecture)
    return base_of_layer("base.example/bare:1", layer, config, probe, workshop.store, cached=False)


def _holds(content: str | Content, prefix: bytes) -> str:
    data = content.read_bytes() if isinstance(content, Path) else content
    if not isinstance(data, bytes) or prefix not in data:
        return ""
    return "binary" if b"\0" in data else "text"


def _listed(path: str, content: Content, kind: str | None, placeholder: str) -> dict[str, Any]:
    if isinstance(content, tuple):
        return {
            "_path": path,
            "path_type": "softlink",
            "sha256": hashlib.sha256(b"").hexdigest(),
            "size_in_bytes": 0,
        }
    data = content.read_bytes() if isinstance(content, Path) else content
    digest = hashlib.sha256(data).hexdigest()
    entry = {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}
    return entry | ({"prefix_placeholder": placeholder, "file_mode": kind} if kind else {})


def _tar(files: Mapping[str, Content], executable: set[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mtime = 1_700_000_000
            if isinstance(content, tuple):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[0]
                archive.addfile(entry)
                continue
            data = content.read_bytes() if isinstance(content, Path) else content
            entry.size = len(data)
            runs = path in executable or (isinstance(content, Path) and os.access(content, os.X_OK))
            entry.mode = 0o755 if runs else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
