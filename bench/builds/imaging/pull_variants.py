"""Variants of an image that hold the same files: other layers, gzip members, levels, orders, directories, media types."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import deflate
from isal import igzip, isal_zlib

from builds.imaging.assemble import AssembledImage
from builds.imaging.oci import tar
from builds.imaging.oci.manifest import (
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from builds.imaging.oci.store import BlobStore

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
MEMBER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
SMALL_FILE = 64 * 1024
PIECE = 32 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a layer's tar: its headers and its content, both padded."""

    path: str
    folder: bool
    header: bytes
    content: bytes


Layers = list[list[Entry]]
Rearrange = Callable[[Layers], Layers]


def as_they_are(layers: Layers) -> Layers:
    """Return the layers of the studio's image."""
    return layers


@dataclass(frozen=True)
class Variant:
    """The way to write the same files again.

    `member`: files from this many bytes on are gzip members of their own, the others share members of at least
    256 kB; None makes a layer one member. `again` is False for the studio's own bytes.
    """

    name: str
    rearrange: Rearrange = as_they_are
    member: int | None = None
    level: int = 6
    docker: bool = False
    again: bool = True


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers that a variant's layers on top of the base differ in."""

    layers: int
    members: int
    files: int
    folders: int
    packed: float
    plain: float


def files_of(layers: Layers) -> list[Entry]:
    """Return everything but directories, in the order of the layers."""
    return [entry for layer in layers for entry in layer if not entry.folder]


def with_folders(files: Iterable[Entry]) -> list[Entry]:
    """Return a layer of these files, each directory before its content."""
    layer, known = [], set[str]()
    for entry in files:
        for path in tar.parents(entry.path):
            if path not in known:
                known.add(path)
                layer.append(Entry(path, True, tar.directory(path), b""))
        layer.append(entry)
    return layer


def spread(count: int, layers: Layers, *, by_path: bool = False, folders: bool = True) -> Layers:
    """Spread all files over so many layers of the same size."""
    files = files_of(layers)
    if by_path:
        files.sort(key=lambda entry: entry.path)
    share = sum(len(entry.content) for entry in files) / count
    spread_files: Layers = [[] for _ in range(count)]
    before = 0
    for entry in files:
        spread_files[min(int(before / share), count - 1)].append(entry)
        before += len(entry.content)
    return [with_folders(layer) if folders else layer for layer in spread_files if layer]


def only(wanted: Callable[[Entry], bool], layers: Layers) -> Layers:
    """Leave out files that are not wanted."""
    kept = ([entry for entry in layer if not entry.folder and wanted(entry)] for layer in layers)
    return [with_folders(layer) for layer in kept if layer]


def no_bytecode(layers: Layers) -> Layers:
    """Leave out bytecode."""
    return only(lambda entry: not entry.path.endswith(".pyc"), layers)


def small_files(layers: Layers) -> Layers:
    """Leave out files of 64 kB and more."""
    return only(lambda entry: len(entry.content) < SMALL_FILE, layers)


VARIANTS = [
    Variant("studio's", again=False),
    Variant("studio's, Docker's media types", again=False, docker=True),
    Variant("packed again, level 6, a member a layer"),
    Variant("a member for each file", member=1),
    Variant("members of files from 8 kB", member=8 * 1024),
    Variant("members of files from 64 kB", member=64 * 1024),
    Variant("members of files from 1 MB", member=1024**2),
    Variant("level 1", level=1),
    Variant("level 12", level=12),
    Variant("1 layer", partial(spread, 1)),
    Variant("8 layers", partial(spread, 8)),
    Variant("16 layers", partial(spread, 16)),
    Variant("64 layers", partial(spread, 64)),
    Variant("1 layer by path, as a Dockerfile's", partial(spread, 1, by_path=True)),
    Variant("1 layer without directories", partial(spread, 1, folders=False)),
    Variant("without bytecode", no_bytecode),
    Variant("files below 64 kB only", small_files),
]


def made_of(layers: int, files: int, folders: int, _: Layers) -> Layers:
    """Return layers of their own with so many small files and directories in each, and nothing of the image's."""
    content = bytes(tar.BLOCK)
    result: Layers = []
    for number in range(layers):
        top = f"parts/{number}"
        below = [f"{top}/{folder}/" for folder in range(folders)]
        paths = [f"{top}/files/{file % 100}/{file}" for file in range(files)]
        entries = with_folders(Entry(path, False, tar.header(path, 512, 0o644), content) for path in paths)
        result.append([*entries, *(Entry(path, True, tar.directory(path), b"") for path in below)])
    return result


def large_files(layers: Layers) -> Layers:
    """Return a layer of the files of a megabyte and more."""
    return [with_folders(entry for entry in files_of(layers) if len(entry.content) >= 1024**2)]


FILES = 5_000
PARTS = [
    Variant("part: 1 layer of 1 file", partial(made_of, 1, 1, 0)),
    Variant("part: 21 layers of 1 file", partial(made_of, 21, 1, 0)),
    Variant("part: 5,000 files", partial(made_of, 1, FILES, 0)),
    Variant("part: 5,000 files, 10,000 members", partial(made_of, 1, FILES, 0), member=1),
    Variant("part: 5,000 directories", partial(made_of, 1, 1, FILES)),
    Variant("part: files from 1 MB", large_files),
    Variant("part: files from 1 MB, level 1", large_files, level=1),
]


class Original:
    """The layers that the studio put on a base, unpacked."""

    def __init__(self, image: AssembledImage, store: BlobStore) -> None:
        self.image = image
        self.store = store
        self.config = json.loads(store.read(image.config.digest))
        self.layers = [
            list(entries_of(store.blob_path(layer.digest))) for layer in image.layers[image.base_layers :]
        ]

    def make(self, variant: Variant) -> tuple[Descriptor, Counts]:
        """Write a variant into the store; return its manifest and its numbers."""
        layers = variant.rearrange(self.layers)
        base = self.image.base_layers
        descriptors, diff_ids = list(self.image.layers), self.config["rootfs"]["diff_ids"]
        if variant.again:
            packed = [self._packed(layer, variant) for layer in layers]
            descriptors = [*descriptors[:base], *(descriptor for descriptor, _ in packed)]
            diff_ids = [*diff_ids[:base], *(diff_id for _, diff_id in packed)]
        own = descriptors[base:]
        counts = Counts(
            layers=len(layers),
            members=sum(members_of(self.store.blob_path(layer.digest)) for layer in own),
            files=len(files_of(layers)),
            folders=sum(entry.folder for layer in layers for entry in layer),
            packed=sum(layer.size for layer in own) / 1e6,
            plain=sum(len(e.header) + len(e.content) for layer in layers for e in layer) / 1e6,
        )
        return self._manifest(descriptors, diff_ids, docker=variant.docker), counts

    def _packed(self, layer: list[Entry], variant: Variant) -> tuple[Descriptor, str]:
        plain = sha256()
        with self.store.writer() as blob:
            for member in members(layer, variant.member):
                plain.update(member)
                tail = isal_zlib.crc32(member).to_bytes(4, "little") + len(member).to_bytes(4, "little")
                blob.write(MEMBER + deflate.deflate_compress(member, variant.level) + tail)
            digest, size = blob.commit()
        return Descriptor(media_type=OCI_LAYER_GZIP, digest=digest, size=size), f"sha256:{plain.hexdigest()}"

    def _manifest(self, layers: list[Descriptor], diff_ids: list[str], *, docker: bool) -> Descriptor:
        history = [{"created_by": "benchmark"} for _ in layers]
        config = {**self.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}
        kinds = (DOCKER_CONFIG, DOCKER_MANIFEST) if docker else (OCI_CONFIG, OCI_MANIFEST)
        if docker:
            layers = [
                Descriptor(media_type=DOCKER_LAYER_GZIP, digest=la.digest, size=la.size) for la in layers
            ]
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": kinds[1],
            "config": self.store.put(json.dumps(config).encode(), kinds[0]).to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        return self.store.put(json.dumps(manifest).encode(), kinds[1])


def entries_of(blob: Path) -> Iterator[Entry]:
    """Yield the entries of a gzipped layer."""
    with igzip.open(blob, "rb") as file:  # type: ignore[no-untyped-call]
        plain: bytes = file.read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for member in archive:
            end = member.offset_data + (-(-member.size // tar.BLOCK) * tar.BLOCK if member.isreg() else 0)
            header = plain[member.offset : member.offset_data]
            path = member.name + "/" * member.isdir()
            yield Entry(path, member.isdir(), header, plain[member.offset_data : end])


def members(layer: list[Entry], smallest: int | None) -> Iterator[bytes]:
    """Yield the plain bytes of each gzip member of a layer."""
    most = None if smallest is None else max(smallest, 256 * 1024)
    glue: list[bytes] = []
    size = 0
    for entry in layer:
        glue.append(entry.header)
        if smallest is not None and len(entry.content) >= smallest:
            yield b"".join(glue)
            yield entry.content
            glue, size = [], 0
            continue
        glue.append(entry.content)
        size += len(entry.header) + len(entry.content)
        if most is not None and size >= most:
            yield b"".join(glue)
            glue, size = [], 0
    yield b"".join([*glue, tar.END])


def members_of(blob: Path) -> int:
    """Return how many gzip members a layer has."""
    data, count, at = memoryview(blob.read_bytes()), 0, 0
    while at < len(data):
        inflate = isal_zlib.decompressobj(31)
        while not inflate.eof:
            inflate.decompress(data[at : at + PIECE])
            at += PIECE
        at = min(at, len(data)) - len(inflate.unused_data)
        count += 1
    return count
