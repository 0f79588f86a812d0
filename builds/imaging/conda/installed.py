"""The files of an installed package on their way into a layer, and conda's record of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builds.images.conda.files import CondaFile
from builds.images.gzipped import TarGzip
from builds.images.wheel import LARGE, PREFIX

_META = "conda-meta"
_LEFT_BEHIND = {"CACHEDIR.TAG", f"{_META}/history"}
_PYC_HEADER = 16
_UNCHECKED_HASH = (1).to_bytes(4, "little")


class Installed:
    """The files of an installed package, and conda's record of them."""

    def __init__(self, prefix: Path, file: CondaFile) -> None:
        self.prefix = prefix
        self.written: list[str] = []
        self._file = file
        (record,) = (prefix / _META).glob("*.json")
        self._name = f"{_META}/{record.name}"
        self._record: dict[str, Any] = json.loads(record.read_bytes())
        self._listed = {entry["_path"]: entry for entry in self._record["paths_data"]["paths"]}
        self._left_out: set[str] = set()

    def paths(self) -> Iterator[str]:
        """Yield the paths of its files and links, in order."""
        found = []
        for folder, folders, names in os.walk(self.prefix):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            found += [str(Path(folder, name).relative_to(self.prefix)) for name in (*names, *links)]
        for path in sorted(found):
            if path not in _LEFT_BEHIND and path != self._name:
                self.written.append(path)
                yield path

    def leave_out(self, path: str) -> None:
        """Take a file out of the record that is not in the layer."""
        self.written.remove(path)
        self._left_out.add(path)

    def note(self, path: str, content: bytes, *, kind: str = "") -> None:
        """Record a file that was made or changed here."""
        digest = hashlib.sha256(content).hexdigest()
        if path in self._listed:
            self._listed[path]["sha256_in_prefix"] = digest
            return
        self.written.append(path)
        self._listed[path] = {
            "_path": path,
            "path_type": kind,
            "sha256": digest,
            "size_in_bytes": len(content),
        }

    def record(self) -> tuple[str, bytes]:
        """Return path and text of conda's record: where the package is from, nothing of this machine."""
        for name in ("extracted_package_dir", "package_tarball_full_path", "link"):
            self._record.pop(name, None)
        listed = [self._listed[path] for path in sorted(self._listed) if path not in self._left_out]
        self._record["url"], self._record["channel"] = self._file.url, self._file.channel
        self._record["files"] = [entry["_path"] for entry in listed]
        self._record["paths_data"]["paths"] = listed
        return self._name, (json.dumps(self._record, indent=2, sort_keys=True) + "\n").encode()


def add(out: TarGzip, prefix: Path, path: str, installed: Installed) -> bytes | None:
    """Write one file or link; return its content, unless that is too large to hold."""
    place, target = prefix / path, f"{PREFIX}/{path}"
    if place.is_symlink():
        out.symlink(target, os.readlink(place))
        return None
    status = place.lstat()
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    if status.st_size > LARGE:
        out.begin(target, status.st_size, mode)
        with place.open("rb") as file:
            while piece := file.read(1 << 20):
                out.more(piece)
        out.padded(status.st_size)
        return None
    content = place.read_bytes()
    if path.endswith(".pyc"):
        lasting = _without_time(content, _source_size(place))
        if lasting is None:
            installed.leave_out(path)
            return None
        if lasting != content:
            content = lasting
            installed.note(path, content)
    out.file(target, content, mode)
    return content


def _source_size(place: Path) -> int | None:
    source = place.parent.parent / f"{place.name.partition('.')[0]}.py"
    return source.stat().st_size if place.parent.name == "__pycache__" and source.is_file() else None


def _without_time(code: bytes, source_size: int | None) -> bytes | None:
    """Return bytecode that is valid whenever its source was written, as every file of a layer is as old.

    None for bytecode of another source: of the one before its prefix was put in.
    """
    if len(code) < _PYC_HEADER or code[4:8] != bytes(4):
        return code
    if source_size is not None and int.from_bytes(code[12:16], "little") != source_size:
        return None
    return code[:4] + _UNCHECKED_HASH + code[8:]
