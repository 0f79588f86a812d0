"""Layers: their description, and writing them with the same bytes for the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from builds.imaging.oci import tar
from builds.imaging.oci.codecs import Codec
from builds.imaging.oci.gzipped import GZIP, Damaged
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.packed_tar import PackedTar
from builds.imaging.oci.store import BlobWriter


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store: where it is, the hash of its plain tar, its size unpacked, and what is in it."""

    descriptor: Descriptor
    diff_id: str
    unpacked: int
    holds: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON for the cache."""
        return {
            "descriptor": self.descriptor.to_json(),
            "diff_id": self.diff_id,
            "unpacked": self.unpacked,
            "holds": self.holds,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        rest = {key: value[key] for key in ("diff_id", "unpacked", "holds")}
        return cls(descriptor=Descriptor.model_validate(value["descriptor"]), **rest)


class LayerStream:
    """A layer that is being written. Each directory appears in it once, before its content."""

    def __init__(self, write: Callable[[bytes | memoryview], object], codec: Codec = GZIP) -> None:
        self.codec = codec
        self._compressed = write
        self._plain = hashlib.sha256()
        self._directories: set[str] = set()
        self._spliced = 0
        self.tar = PackedTar(write, self._plain, codec)

    def tree(self, path: str) -> None:
        """Add the directories above a path that are not in the layer yet."""
        above = path[: path.rstrip("/").rfind("/") + 1]
        if above and above not in self._directories:
            for folder in (*tar.parents(above), above):
                if folder not in self._directories:
                    self._directories.add(folder)
                    self.tar.directory(folder)

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory, whose path ends with a slash, and those above it."""
        self.tree(path)
        if path not in self._directories:
            self._directories.add(path)
            self.tar.directory(path, mode)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file and what is above it."""
        self.tree(path)
        self.tar.file(path, content, mode)

    def symlink(self, path: str, target: str) -> None:
        """Add a symbolic link and what is above it."""
        self.tree(path)
        self.tar.symlink(path, target)

    def whiteout(self, path: str) -> None:
        """Hide a file or a folder of the layers below."""
        self.tree(path)
        self.tar.whiteout(path)

    def splice(self, members: Path) -> None:
        """Add members made before by the same codec, in a file of their own."""
        self.tar.flush()
        with members.open("rb") as packed:
            while piece := packed.read(1 << 20):
                self._compressed(piece)
        with members.open("rb") as packed:
            if not self.codec.whole(packed):
                raise Damaged(f"{members.name} is not whole")
            with self.codec.plain(packed) as plain:
                while piece := plain.read(1 << 20):
                    self._plain.update(piece)
                    self._spliced += len(piece)

    def end(self) -> tuple[str, int]:
        """End the layer; return the digest of its plain tar, and the bytes of that."""
        self.tar.end()
        return f"sha256:{self._plain.hexdigest()}", self.tar.unpacked + self._spliced


class LayerWriter(LayerStream):
    """A layer on its way into the store."""

    def __init__(self, blob: BlobWriter, codec: Codec = GZIP) -> None:
        super().__init__(blob.write, codec)
        self._blob = blob

    def commit(self, holds: str) -> Layer:
        """End the layer and put it into the store."""
        diff_id, unpacked = self.end()
        digest, size = self._blob.commit()
        descriptor = Descriptor(media_type=self.codec.media_type, digest=digest, size=size)
        return Layer(descriptor, diff_id, unpacked, holds)
