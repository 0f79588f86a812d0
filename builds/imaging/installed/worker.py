"""The confined process that reads layers: every file of the environment is hashed, and compared with its record."""

from __future__ import annotations

import csv
import hashlib
import json
import posixpath
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from builds.imaging.bases.tree import opened
from builds.imaging.child_process import answer_requests
from builds.imaging.oci.tar import LINK
from builds.imaging.oci.untar import Entry, Untar
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import Quiet

MOST_FILES = 1_000_000
MOST_DOCUMENT = 32 * 1024**2
MOST_HELD = 512 * 1024**2
MOST_NAMED = 50
_PIECE = 1 << 20
_METADATA = re.compile(r"/site-packages/[^/]+\.dist-info/(METADATA|RECORD)$")
_CONDA = re.compile(rf"^/{PREFIX}/conda-meta/[^/]+\.json$")


class Environment:
    """The files of the environment, as far as layers were read: each with its hash, documents with their text."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}
        self._held = 0

    def add(self, archive: Untar) -> None:
        """Put a layer on top."""
        fresh: set[str] = set()
        for entry in archive:
            path = posixpath.normpath("/" + entry.name)
            if path != f"/{PREFIX}" and not path.startswith((f"/{PREFIX}/", "/opt/.wh.")):
                continue
            folder, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                self._forget(folder, fresh)
            elif name.startswith(".wh."):
                self._forget(posixpath.join(folder, name[4:]), fresh)
            else:
                self._put(path, entry, archive)
                fresh.add(path)

    def _put(self, path: str, entry: Entry, archive: Untar) -> None:
        self.hashes.pop(path, None)
        self.documents.pop(path, None)
        if entry.kind == LINK:
            target = posixpath.normpath("/" + entry.target)
            if target in self.hashes:
                self.hashes[path] = self.hashes[target]
        elif entry.plain:
            if len(self.hashes) >= MOST_FILES:
                raise ValueError(f"the environment has more than {MOST_FILES:,} files")
            keeps = bool(_METADATA.search(path) or _CONDA.search(path)) and entry.size <= MOST_DOCUMENT
            self.hashes[path] = self._read(path, archive, keeps=keeps)

    def _read(self, path: str, archive: Untar, *, keeps: bool) -> str:
        digest, kept = hashlib.sha256(), []
        while piece := archive.read(_PIECE):
            digest.update(piece)
            if keeps:
                kept.append(piece)
        if keeps:
            self.documents[path] = b"".join(kept)
            self._held += len(self.documents[path])
            if self._held > MOST_HELD:
                raise ValueError("the environment's records are too large")
        return urlsafe_b64encode(digest.digest()).decode().rstrip("=")

    def _forget(self, gone: str, fresh: set[str]) -> None:
        for known in (self.hashes, self.documents):
            for path in [p for p in known if (p == gone or p.startswith(gone + "/")) and p not in fresh]:
                del known[path]

    def packages(self) -> list[tuple[str, str, str]]:
        """Return ecosystem, name and version of what is installed."""
        result = []
        for path, content in self.documents.items():
            if path.endswith("/METADATA"):
                fields = dict(
                    line.split(": ", 1)
                    for line in content.decode("utf-8", "replace").partition("\n\n")[0].splitlines()
                    if line.startswith(("Name: ", "Version: "))
                )
                result.append(
                    ("pypi", _normalised(fields.get("Name", "")), fields.get("Version", "").strip())
                )
            elif path.endswith(".json"):
                record = json.loads(content)
                result.append(("conda", str(record["name"]), str(record["version"])))
        return result

    def differing(self) -> tuple[list[str], int]:
        """Return the files that are not as their package recorded them, and how many were compared."""
        result, count = [], 0
        for path, content in self.documents.items():
            if not path.endswith("/RECORD"):
                continue
            site = posixpath.dirname(posixpath.dirname(path))
            for row in csv.reader(content.decode("utf-8", "replace").splitlines()):
                if len(row) < 2 or not row[1].startswith("sha256="):
                    continue
                file = posixpath.normpath(posixpath.join(site, row[0]))
                count += 1
                if self.hashes.get(file) != row[1].removeprefix("sha256=").rstrip("="):
                    result.append(file)
        return result, count


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def main() -> None:
    """Answer until stdin ends."""
    environment = Environment()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "layer":
            with opened(Path(request["path"]), request["digest"], Quiet()) as archive:
                environment.add(archive)
            return {}
        differing, files = environment.differing()
        return {"packages": environment.packages(), "differing": differing[:MOST_NAMED], "files": files}

    answer_requests(answer)


if __name__ == "__main__":
    main()
