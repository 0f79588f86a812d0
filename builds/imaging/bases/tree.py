"""Looking into a base's layers, once: which Python, which C library, without starting anything."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import zstandard
from isal import igzip

from builds.images.base import Base
from builds.images.manifest import Descriptor
from builds.images.probe import Probe
from builds.images.report import ImageError, Reporter
from builds.images.workshop import Workshop

_FORMAT = "probe-1"
_USUAL = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/conda/bin", "/opt/miniconda/bin", "/opt/miniconda3/bin")
_READ_MOST = 64 * 1024**2
_PYTHON = re.compile(r"(?:^|/)bin/python(\d+\.\d+)$")
_WORTH_READING = re.compile(
    r"(?:/|^)(?:bin/python\d+\.\d+|libpython\d+\.\d+\.so[.0-9]*|libc\.so\.6|libc-2\.\d+\.so|ld-musl-\w+\.so\.1)$"
)
_GLIBC = re.compile(rb"GNU C Library[^\n]*?version (\d+\.\d+)")
_MUSL = re.compile(rb"(?<![\d.])(1\.[12]\.\d{1,2})\x00")


def probed(
    digest: str, layers: Sequence[Descriptor], config: dict[str, Any], workshop: Workshop, reporter: Reporter
) -> Probe:
    """Return the probe of an image whose layers are in the store; made once for each digest."""
    known = workshop.recall("probes", f"{_FORMAT} {digest}")
    if known is not None:
        return Probe.model_validate(known)
    tree = _Tree()
    for number, layer in enumerate(layers):
        reporter.progress(number, len(layers), "layers")
        with _opened(layer, workshop) as archive:
            tree.add(archive, reporter)
    probe = _described(tree, config)
    workshop.remember("probes", f"{_FORMAT} {digest}", probe.model_dump())
    return probe


def leads_to_a_file(path: str, base: Base, workshop: Workshop, reporter: Reporter) -> bool:
    """Tell whether a path is a file of a base, by links or not; looked up once for each base and path."""
    key = f"{base.digest} {path}"
    known = workshop.recall("paths", key)
    if known is None:
        tree = _Tree(names_only=True)
        for number, layer in enumerate(base.layers):
            reporter.progress(number, len(base.layers), "layers")
            with _opened(layer, workshop) as archive:
                tree.add(archive, reporter)
        known = tree.real(path) in tree.files
        workshop.remember("paths", key, known)
    return bool(known)


class _Tree:
    """The few files of an image that tell what it brings, after all its layers; or the names of all of them."""

    def __init__(self, *, names_only: bool = False) -> None:
        self.names_only = names_only
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}

    def add(self, archive: tarfile.TarFile, reporter: Reporter) -> None:
        """Put a layer on top."""
        fresh: set[str] = set()
        for number, entry in enumerate(archive):
            if number % 500 == 0:
                reporter.check()
            path = posixpath.normpath("/" + entry.name)
            folder, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                self._forget(folder, fresh)
            elif name.startswith(".wh."):
                self._forget(posixpath.join(folder, name[4:]), fresh)
            elif entry.issym():
                self._put(self.links, path, entry.linkname, fresh)
            elif entry.islnk():
                self._put(self.links, path, posixpath.normpath("/" + entry.linkname), fresh)
            elif entry.isreg() and self.names_only:
                self._put(self.files, path, b"", fresh)
            elif entry.isreg() and _WORTH_READING.search(path):
                file = archive.extractfile(entry)
                content = file.read(_READ_MOST) if file is not None else b""
                self._put(self.files, path, _telling(content), fresh)

    def real(self, path: str) -> str:
        """Return where a path leads by the links on the way; itself if it goes in circles."""
        done, waiting = "/", [part for part in path.split("/") if part]
        for _ in range(200):
            if not waiting:
                return done
            done = posixpath.normpath(posixpath.join(done, waiting.pop(0)))
            if (target := self.links.get(done)) is not None:
                whole = posixpath.normpath(posixpath.join(posixpath.dirname(done), target))
                done, waiting = "/", [part for part in whole.split("/") if part] + waiting
        return path

    def _put(self, into: dict[Any, Any], path: str, what: object, fresh: set[str]) -> None:
        self.files.pop(path, None)
        self.links.pop(path, None)
        into[path] = what
        fresh.add(path)

    def _forget(self, path: str, fresh: set[str]) -> None:
        for known in (self.files, self.links):
            for gone in [p for p in known if (p == path or p.startswith(f"{path}/")) and p not in fresh]:
                known.pop(gone)


def _telling(content: bytes) -> bytes:
    """Return the pieces of a program that tell its version; the rest need not be held."""
    found = [m[0] for m in _GLIBC.finditer(content)] + [m[0] for m in _MUSL.finditer(content)]
    found += [m[0] for m in re.finditer(rb"(?<![\d.])\d\.\d{1,2}\.\d{1,2}\x00", content)]
    return b"\n".join(found)


def _described(tree: _Tree, config: dict[str, Any]) -> Probe:
    python = _python(tree, config)
    libc, version = "none", ""
    for path, told in sorted(tree.files.items()):
        if (glibc := _GLIBC.search(told)) is not None and "libc" in path:
            libc, version = "glibc", glibc[1].decode()
            break
        if "ld-musl" in path:
            musl = _MUSL.search(told)
            libc, version = "musl", musl[1].decode() if musl else "1.2"
    return Probe(
        python=python,
        version=_version(tree, python, config),
        libc=cast(Any, libc),
        libc_version=version,
        architecture=str(config.get("architecture") or "amd64"),
    )


def _python(tree: _Tree, config: dict[str, Any]) -> str:
    """Return the interpreter that `python3` starts: by PATH, then in the usual places; empty for none."""
    variables = dict(entry.partition("=")[::2] for entry in (config.get("config") or {}).get("Env") or [])
    folders = [folder for folder in variables.get("PATH", "").split(":") if folder.startswith("/")]
    for folder in (*folders, *_USUAL):
        for name in ("python3", "python"):
            real = tree.real(f"{folder}/{name}")
            if real in tree.files and _PYTHON.search(real):
                return real
    for folder in (*folders, *_USUAL):
        real_folder = tree.real(folder)
        here = [p for p in tree.files if posixpath.dirname(p) == real_folder and _PYTHON.search(p)]
        if here:
            return max(here, key=lambda p: [int(n) for n in _minor(p).split(".")])
    return ""


def _minor(python: str) -> str:
    matched = _PYTHON.search(python)
    return matched[1] if matched else ""


def _version(tree: _Tree, python: str, config: dict[str, Any]) -> str:
    if not python:
        return ""
    minor = _minor(python)
    exact = re.compile(rb"(?<![\d.])" + re.escape(minor.encode()) + rb"\.\d{1,2}(?=\x00)")
    nearby = [p for p in tree.files if f"libpython{minor}" in p]
    for path in (python, *sorted(nearby)):
        if (found := exact.search(tree.files[path])) is not None:
            return found[0].decode()
    return f"{minor}.0"


@contextmanager
def _opened(layer: Descriptor, workshop: Workshop) -> Iterator[tarfile.TarFile]:
    """Open a layer's tar, whatever it is compressed with."""
    with workshop.store.open(layer.digest) as file:
        head = file.read(4)
        file.seek(0)
        try:
            with tarfile.open(fileobj=_plain(file, head), mode="r|") as archive:
                yield archive
        except (tarfile.TarError, EOFError, OSError, zstandard.ZstdError) as error:
            raise ImageError(
                "bad-layer",
                f"The layer {layer.digest} of the base image cannot be read: {error}.",
                "Push the image again.",
                fault="outside",
            ) from error


def _plain(file: BinaryIO, head: bytes) -> BinaryIO:
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, igzip.open(file, "rb"))  # type: ignore[no-untyped-call]
    if head == b"\x28\xb5\x2f\xfd":
        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    return file
