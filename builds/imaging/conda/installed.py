"""Write the files of an installed package into a layer, with conda's record of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from builds.imaging.conda.clashes import ASIDE
from builds.imaging.conda.files import CondaFile
from builds.imaging.conda.package.beneath import Beneath
from builds.imaging.conda.package.copying import Copy
from builds.imaging.conda.package.names import Kind
from builds.imaging.oci.packed_tar import PackedTar
from builds.imaging.packing.wheel import LARGE, PREFIX
from builds.imaging.reporting import ImageError

_META = "conda-meta"
_LEFT_BEHIND = {"CACHEDIR.TAG", f"{_META}/history"}
_PYC_HEADER = 16
_UNCHECKED_HASH = (1).to_bytes(4, "little")


class Installed:
    """The files of an installed package, and conda's record of them."""

    def __init__(self, prefix: Beneath, file: CondaFile, copy: Copy) -> None:
        self.prefix = prefix
        self.written: list[str] = []
        self._file = file
        present = dict(prefix.files())
        self._name = next(path for path in present if path.startswith(f"{_META}/") and path.endswith(".json"))
        for path in (self._name, *_LEFT_BEHIND):
            present.pop(path, None)
        self._refuse_others(present, copy)
        self._paths = sorted(present)
        with prefix.open(self._name) as record:
            self._record: dict[str, Any] = json.loads(record.read())
        self._listed = {entry["_path"]: entry for entry in self._record["paths_data"]["paths"]}
        self._left_out: set[str] = set()
        self._aside: dict[str, str] = {}

    def paths(self) -> Iterator[str]:
        """Yield the paths of its files and links, in order."""
        for path in self._paths:
            self.written.append(path)
            yield path

    def _refuse_others(self, present: Mapping[str, Kind], copy: Copy) -> None:
        """Raise unless all that was installed is what was checked."""
        for path, kind in present.items():
            if copy.installs.get(path) is not kind:
                raise ImageError(
                    "conda-failed",
                    f"Installing {self._file.path.name} made “{path}”, which is not what was checked.",
                    "Report this to the people who run the studio.",
                    fault="studio",
                )

    def leave_out(self, path: str) -> None:
        """Take a file out of the record that is not in the layer."""
        self.written.remove(self._aside.get(path, path))
        self._left_out.add(path)

    def put_aside(self, path: str) -> str:
        """Give a file the path that rattler moves it to where another package's takes its place; return that path."""
        moved = f"{ASIDE}/{self._file.name}/{path}"
        self._aside[path] = moved
        self.written.remove(path)
        self.written.append(moved)
        self._listed[path] |= {"_path": moved, "original_path": path}
        return moved

    def destination(self, path: str) -> str:
        """Return the path in the image of an installed file."""
        return f"{PREFIX}/{self._aside.get(path, path)}"

    def files(self) -> dict[str, str]:
        """Return what was written: enough of each file's hash to see that two differ, by its path in the image."""
        known = {entry["_path"]: entry for entry in self._listed.values()}
        return {f"{PREFIX}/{path}": _mark(known.get(path, {})) for path in self.written}

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
        kept = (entry for path, entry in self._listed.items() if path not in self._left_out)
        listed = sorted(kept, key=lambda entry: str(entry["_path"]))
        # These would be the copy's, as that was installed.
        self._record |= {"fn": self._file.path.name, "sha256": self._file.sha256, "size": self._file.size}
        self._record["url"], self._record["channel"] = self._file.url, self._file.channel
        self._record["files"] = [entry["_path"] for entry in listed]
        self._record["paths_data"]["paths"] = listed
        return self._name, (json.dumps(self._record, indent=2, sort_keys=True) + "\n").encode()


def add(out: PackedTar, path: str, installed: Installed) -> bytes | None:
    """Write one file or link; return its content, unless that is too large to hold."""
    prefix, destination = installed.prefix, installed.destination(path)
    target = prefix.target(path)
    if target is not None:
        out.symlink(destination, target)
        return None
    with prefix.open(path) as file:
        status = os.fstat(file.fileno())
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        if status.st_size > LARGE:
            out.begin(destination, status.st_size, mode)
            while piece := file.read(1 << 20):
                out.more(piece)
            out.padded(status.st_size)
            return None
        content = file.read()
    if path.endswith(".pyc"):
        lasting = _without_time(content, _source_size(prefix, path))
        if lasting is None:
            installed.leave_out(path)
            return None
        if lasting != content:
            content = lasting
            installed.note(path, content)
    out.file(destination, content, mode)
    return content


def _mark(entry: Mapping[str, Any]) -> str:
    """Return the same for equal content. All bytecode counts as equal, as equal sources give equal code."""
    if str(entry.get("_path", "")).endswith(".pyc"):
        return ""
    return str(entry.get("sha256_in_prefix") or entry.get("sha256") or "")[:12]


def _source_size(prefix: Beneath, path: str) -> int | None:
    folder, _, name = path.rpartition("/")
    above, _, cache = folder.rpartition("/")
    if cache != "__pycache__":
        return None
    return prefix.size(f"{above}/{name.partition('.')[0]}.py".removeprefix("/"))


def _without_time(code: bytes, source_size: int | None) -> bytes | None:
    """Return bytecode that is valid whenever its source was written, as every file of a layer is as old.

    None for bytecode of another source, such as the source before its prefix was replaced.
    """
    if len(code) < _PYC_HEADER or code[4:8] != bytes(4):
        return code
    if source_size is not None and int.from_bytes(code[12:16], "little") != source_size:
        return None
    return code[:4] + _UNCHECKED_HASH + code[8:]
