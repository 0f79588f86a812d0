"""Taking an image over from the engine: each layer once, and those that are known not at all."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import deflate
from isal import igzip

from builds.engine.connection import LABEL, LEFT_AFTER_SECONDS, Engine
from builds.engine.exchange import PIECE, Exchange
from builds.imaging.oci.manifest import AS_OCI, OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import disk_errors
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

LEVEL = 6
"""Deflate's level for layers that an engine made. libdeflate gives the same bytes on every machine."""

_SMALL = 1024 * 1024
_FORMAT = f"engine-layer libdeflate-{deflate.__version__}-{LEVEL}"
_OF_THE_ENGINE = ("Hostname", "Domainname", "Image", "AttachStdin", "AttachStdout", "AttachStderr")

Known = Mapping[str, Descriptor]
"""Layers that are in the store, by the hashes of their plain tars."""


@dataclass(frozen=True)
class Member:
    """A file of the engine's archive: the hash of its content, and the content unless it is known already."""

    sha256: str
    data: bytes | None = None
    path: Path | None = None

    def open(self) -> BinaryIO:
        """Open the content for reading."""
        return self.path.open("rb") if self.path is not None else io.BytesIO(self.data or b"")


def take_over(engine: Engine, image: str, known: Known, workshop: Workshop, reporter: Reporter) -> Descriptor:
    """Put an image of the engine into the store, and return the descriptor of its manifest."""
    spool = workshop.folder("engine")
    _sweep(spool)
    size = int(engine.api.inspect_image(image).get("Size") or 0)  # type: ignore[no-untyped-call]
    with (
        tempfile.TemporaryDirectory(dir=spool) as folder,
        Exchange(engine.api, "GET", f"/images/{image}/get") as saving,
    ):
        archive = _Pieces(saving.pieces(reporter), reporter, size)
        with disk_errors():
            members = _unpacked(archive, Path(folder), known)
        config, layers = _described(members)
        kept = [_kept(layer, known, workshop, reporter) for layer in layers]
    return _stored(config, kept, workshop)


def _sweep(spool: Path) -> None:
    """Take away what a studio left that died while it took an image over."""
    for folder in spool.iterdir():
        if folder.stat().st_mtime < time.time() - LEFT_AFTER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


class _Pieces(io.RawIOBase):
    """The engine's answer as a file that can only be read forwards."""

    def __init__(self, pieces: Iterator[bytes], reporter: Reporter, size: int) -> None:
        self._pieces = pieces
        self._reporter = reporter
        self._size = size
        self._rest = b""
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
            self._done += len(self._rest)
            self._reporter.progress(min(self._done, self._size), self._size, "bytes")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _unpacked(archive: _Pieces, folder: Path, known: Known) -> dict[str, Member]:
    """Return the archive's files by their names; layers that are known are passed over."""
    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=cast(Any, io.BufferedReader(archive, PIECE)), mode="r|") as files:
        for entry in files:
            if entry.issym() or entry.islnk():
                above = posixpath.dirname(entry.name) if entry.issym() else ""
                links[entry.name] = posixpath.normpath(posixpath.join(above, entry.linkname))
            elif entry.isreg():
                content = cast(BinaryIO, files.extractfile(entry))
                members[entry.name] = _member(content, entry.size, folder / str(len(members)), known)
    return members | {name: members[target] for name, target in links.items() if target in members}


def _member(content: BinaryIO, size: int, path: Path, known: Known) -> Member:
    if size <= _SMALL:
        data = content.read()
        return Member(hashlib.sha256(data).hexdigest(), data=data)
    seen = hashlib.sha256()
    with path.open("wb") as file:
        while piece := content.read(PIECE):
            seen.update(piece)
            file.write(piece)
    if f"sha256:{seen.hexdigest()}" in known:
        path.unlink()
        return Member(seen.hexdigest())
    return Member(seen.hexdigest(), path=path)


def _described(members: Mapping[str, Member]) -> tuple[dict[str, Any], list[Member]]:
    """Return the image's config and its layers in order, as the archive's manifest has them."""
    try:
        (manifest,) = json.loads(members["manifest.json"].data or b"")
        config = json.loads(members[manifest["Config"]].data or b"")
        return config, [members[name] for name in manifest["Layers"]]
    except (KeyError, ValueError, TypeError) as error:
        raise ImageError(
            "engine-lost",
            f"The Docker Engine gave the image in a form that the studio does not know: {error!r}",
            "Ask an admin to install another version of Docker Engine.",
            fault="studio",
        ) from error


def _kept(layer: Member, known: Known, workshop: Workshop, reporter: Reporter) -> tuple[str, Descriptor]:
    """Return a layer's diff id and its descriptor, compressed only if it is not in the store yet."""
    diff_id = f"sha256:{layer.sha256}"
    with layer.open() as file:
        if file.read(2) == b"\x1f\x8b":  # an engine with the containerd store gives layers as it keeps them
            file.seek(0)
            diff_id = _plain_digest(file, reporter)
    there = known.get(diff_id) or _remembered(diff_id, workshop)
    if there is not None:
        return diff_id, there
    with layer.open() as file, workshop.store.writer() as blob:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        while piece := file.read(PIECE):
            reporter.check()
            blob.write(piece if packed else bytes(deflate.gzip_compress(piece, LEVEL)))
        digest, size = blob.commit()
    made = Descriptor(media_type=OCI_LAYER_GZIP, digest=digest, size=size)
    workshop.remember(_FORMAT, diff_id, made.to_json())
    return diff_id, made


def _remembered(diff_id: str, workshop: Workshop) -> Descriptor | None:
    result = workshop.recall(_FORMAT, diff_id)
    if result is None:
        return None
    made = Descriptor.model_validate(result)
    return made if workshop.store.has(made.digest) else None


def _plain_digest(file: BinaryIO, reporter: Reporter) -> str:
    seen = hashlib.sha256()
    with igzip.open(file, "rb") as plain:  # type: ignore[no-untyped-call]
        while piece := plain.read(PIECE):
            reporter.check()
            seen.update(piece)
    return f"sha256:{seen.hexdigest()}"


def _stored(config: dict[str, Any], layers: list[tuple[str, Descriptor]], workshop: Workshop) -> Descriptor:
    """Store config and manifest; of the config stays what the image is, not who made it where."""
    diff_ids = [diff_id for diff_id, _ in layers]
    if config.get("rootfs", {}).get("diff_ids") != diff_ids:
        raise ImageError(
            "digest-mismatch",
            "The Docker Engine's layers are not those that the image is said to have.",
            "Build again; if it happens again, the engine's disk is damaged.",
            fault="studio",
        )
    run = {name: value for name, value in (config.get("config") or {}).items() if name not in _OF_THE_ENGINE}
    labels = {name: value for name, value in (run.pop("Labels", None) or {}).items() if name != LABEL}
    names = ("created", "author", "architecture", "variant", "os", "os.version", "history")
    kept = {name: config[name] for name in names if name in config}
    kept["config"] = {**run, **({"Labels": labels} if labels else {})}
    kept["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    described = workshop.store.put(json.dumps(kept, sort_keys=True).encode(), OCI_CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [_as_oci(layer).to_json() for _, layer in layers],
    }
    return workshop.store.put(json.dumps(manifest, sort_keys=True).encode(), OCI_MANIFEST)


def _as_oci(layer: Descriptor) -> Descriptor:
    media_type = AS_OCI.get(layer.media_type, layer.media_type)
    return Descriptor(media_type=media_type, digest=layer.digest, size=layer.size)
