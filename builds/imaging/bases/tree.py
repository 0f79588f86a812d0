"""Read the layers of a base: its files after all layers, its Python, its C library and its CUDA.

Used in a confined process (`probe_worker`): layers are foreign.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard
from isal import isal_zlib

from builds.imaging.bases.distributions import Distributions
from builds.imaging.bases.installed import MOST_BYTES, tells_packages
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.gzipped import GZIP
from builds.imaging.oci.names import MOST_PATH_BYTES
from builds.imaging.oci.tar import LINK, SYMLINK
from builds.imaging.oci.untar import BadTar, Untar
from builds.imaging.oci.zstd import ZSTD, is_zstd
from builds.imaging.reporting import ImageError, Reporter

_USUAL = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/conda/bin", "/opt/miniconda/bin", "/opt/miniconda3/bin")
_READ_MOST = 64 * 1024**2
_HELD_MOST = 128 * 1024**2
_PIECE, _OVERLAP = 1024**2, 512
_MOST_VERSIONS = 200  # in a program; Python's own have about ten
_MOST_PROGRAMS = 500  # in an image
_MOST_FOLDERS = 100  # in PATH
_MOST_CUDA = 100  # in an image
_PYTHON = re.compile(r"(?:^|/)bin/python(\d{1,3}\.\d{1,3})$")
_WORTH_READING = re.compile(
    r"(?:/|^)(?:bin/python\d{1,3}\.\d{1,3}|libpython\d{1,3}\.\d{1,3}\.so[.0-9]*|libc\.so\.6|libc-2\.\d+\.so|ld-musl-\w+\.so\.1)$"
)
_GLIBC = re.compile(rb"GNU C Library(?:(?!GNU C Library)[^\n]){0,200}?version (\d{1,3}\.\d{1,3})")
_MUSL = re.compile(rb"(?<![\d.])(1\.[12]\.\d{1,2})\x00")
# The paths of CUDA's runtime, by its own installers, in wheels and in conda packages.
_CUDA = re.compile(
    r"^/usr/local/cuda-(?P<folder>[1-9]\d?\.\d{1,2})(?=/|$)"
    r"|/libcudart\.so\.(?P<library>[1-9]\d?(?:\.\d{1,2})?)(?:\.\d{1,4})?$"
    r"|/nvidia_cuda_runtime(?:_cu\d{1,2})?-(?P<wheel>[1-9]\d?\.\d{1,2})[\d.]{0,20}\.dist-info(?=/|$)"
    r"|/conda-meta/(?:cuda-cudart|cudatoolkit)-(?P<conda>[1-9]\d?\.\d{1,2})[^/]{0,100}\.json$",
    re.ASCII,
)
# The first that says a version counts: NVIDIA's images set all of them.
_CUDA_VARIABLES = {
    "CUDA_VERSION": re.compile(r"([1-9]\d?(?:\.\d{1,2})?)(?:\.\d{1,4})?", re.ASCII),
    "NV_CUDA_CUDART_VERSION": re.compile(r"([1-9]\d?\.\d{1,2})[\d.]{0,20}(?:-\d{1,4})?", re.ASCII),
    "NV_CUDA_LIB_VERSION": re.compile(r"([1-9]\d?\.\d{1,2})[\d.]{0,20}(?:-\d{1,4})?", re.ASCII),
    "NVIDIA_REQUIRE_CUDA": re.compile(r"cuda>=([1-9]\d?\.\d{1,2})(?:[ ,].*)?", re.DOTALL | re.ASCII),
}
_VERSION = re.compile(rb"(?<![\d.])\d\.\d{1,2}\.\d{1,2}\x00")


class Tree:
    """The few files of an image that its probe reads, after all its layers; or the names of all files."""

    def __init__(self, *, names_only: bool = False) -> None:
        self.names_only = names_only
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.cuda: dict[str, str] = {}
        """The versions of CUDA that paths show."""
        self.status: dict[str, bytes] = {}
        """The files that tell the packages of a distribution, and which it is."""
        self.distributions = Distributions()
        self._held = 0

    def add(self, archive: Untar, reporter: Reporter) -> None:
        """Put a layer on top. Whiteouts take away what the layers below have, once, in time linear in both."""
        fresh: set[str] = set()
        gone: set[str] = set()
        for entry in archive:
            if len(entry.name) > MOST_PATH_BYTES or len(entry.target) > MOST_PATH_BYTES:
                continue  # no engine can unpack it either
            path = posixpath.normpath("/" + entry.name)
            folder, name = posixpath.split(path)
            if "cuda" in path and not name.startswith(".wh."):
                self._notice_cuda(path, fresh)
            if not self.names_only:
                self.distributions.notice(path, entry, archive)
            if name == ".wh..wh..opq":
                gone |= {folder, f"{folder.rstrip('/')}/"}
            elif name.startswith(".wh."):
                gone.add(posixpath.join(folder, name[4:]))
            elif entry.kind == SYMLINK:
                self._put(self.links, path, entry.target, fresh)
            elif entry.kind == LINK:
                self._put(self.links, path, posixpath.normpath("/" + entry.target), fresh)
            elif entry.plain and self.names_only:
                self._put(self.files, path, b"", fresh)
            elif entry.plain and tells_packages(path):
                # A larger one is cut off: what follows counts as not installed.
                self._put(self.status, path, archive.read(MOST_BYTES), fresh)
            elif entry.plain and _WORTH_READING.search(path) and self._has_room(path):
                self._put(self.files, path, _telling(archive, reporter), fresh)
        self._forget(gone, fresh)
        self.distributions.end_layer(gone)

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

    def _notice_cuda(self, path: str, fresh: set[str]) -> None:
        match = _CUDA.search(path)
        if match is not None and len(self.cuda) < _MOST_CUDA:
            shown = path[: match.end()]
            self.cuda[shown] = match[match.lastgroup or 0]
            fresh.add(shown)

    def _has_room(self, path: str) -> bool:
        return path in self.files or len(self.files) < _MOST_PROGRAMS

    def _put(self, into: dict[Any, Any], path: str, what: object, fresh: set[str]) -> None:
        for known in (self.files, self.links, self.status):
            known.pop(path, None)
        into[path] = what
        fresh.add(path)
        self._held += len(path) + (len(what) if isinstance(what, bytes | str) else 0)
        if self._held > _HELD_MOST:
            raise BadTar("it has more names than an image may have")

    def _forget(self, gone: set[str], fresh: set[str]) -> None:
        if not gone:
            return
        for known in (self.files, self.links, self.cuda, self.status):
            for path in [p for p in known if p not in fresh and not gone.isdisjoint(_with_folders(p))]:
                known.pop(path)


def _with_folders(path: str) -> Iterator[str]:
    """Yield a path, and each folder it is in, without and with a slash at its end."""
    yield path
    for at, sign in enumerate(path):
        if sign == "/":
            yield path[:at]
            yield path[: at + 1]


def _telling(file: Untar, reporter: Reporter) -> bytes:
    """Return the pieces of a program that tell its version; the rest need not be held.

    It is read piece by piece, so that no content occupies the process for longer than a piece takes.
    """
    result: dict[bytes, None] = {}
    content, left = b"", _READ_MOST
    while left > 0 and (piece := file.read(min(_PIECE, left))):
        reporter.check()
        left -= len(piece)
        follows, content = bool(content), content[-_OVERLAP:] + piece
        for pattern in (_GLIBC, _MUSL, _VERSION):
            for match in pattern.finditer(content):
                # A match at the start of a later piece was seen whole before, with the sign before it.
                if len(result) < _MOST_VERSIONS and (match.start() or not follows):
                    result[match[0]] = None
    return b"\n".join(result)


def described(tree: Tree, config: dict[str, Any]) -> Probe:
    python = _python(tree, config)
    libc, version = "none", ""
    for path, content in sorted(tree.files.items()):
        if (glibc := _GLIBC.search(content)) is not None and "libc" in path:
            libc, version = "glibc", glibc[1].decode()
            break
        if "ld-musl" in path:
            musl = _MUSL.search(content)
            libc, version = "musl", musl[1].decode() if musl else "1.2"
    cuda, cuda_from = _cuda(tree, config)
    return Probe(
        python=python,
        version=_version(tree, python, config),
        libc=cast(Any, libc),
        libc_version=version,
        architecture=str(config.get("architecture") or "amd64"),
        cuda=cuda,
        cuda_from=cuda_from,
    )


def _cuda(tree: Tree, config: dict[str, Any]) -> tuple[str, str]:
    """Return the CUDA that an image shows, and by what: its variables, then the newest runtime in it."""
    variables = _variables(config)
    for name, pattern in _CUDA_VARIABLES.items():
        if (match := pattern.fullmatch(variables.get(name, "").strip())) is not None:
            return match[1], name
    if not tree.cuda:
        return "", ""
    path, version = max(
        tree.cuda.items(), key=lambda item: ([int(part) for part in item[1].split(".")], item[0])
    )
    return version, path if path.startswith("/usr/local/cuda") else posixpath.basename(path)


def _variables(config: dict[str, Any]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in (config.get("config") or {}).get("Env") or [])


def _python(tree: Tree, config: dict[str, Any]) -> str:
    """Return the interpreter that `python3` starts: by PATH, then in the usual places; empty for none."""
    written = _variables(config).get("PATH", "").split(":", _MOST_FOLDERS)[:_MOST_FOLDERS]
    folders = [folder for folder in written if folder.startswith("/") and len(folder) <= MOST_PATH_BYTES]
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


def _version(tree: Tree, python: str, config: dict[str, Any]) -> str:
    if not python:
        return ""
    minor = _minor(python)
    exact = re.compile(rb"(?<![\d.])" + re.escape(minor.encode()) + rb"\.\d{1,2}(?=\x00)")
    nearby = [p for p in tree.files if f"libpython{minor}" in p]
    for path in (python, *sorted(nearby)):
        if (match := exact.search(tree.files[path])) is not None:
            return match[0].decode()
    return f"{minor}.0"


@contextmanager
def opened(path: Path, digest: str, reporter: Reporter) -> Iterator[Untar]:
    """Open a layer's tar, with any compression."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        try:
            yield Untar(_plain(file, head), reporter.check)
        except (BadTar, EOFError, OSError, isal_zlib.error, zstandard.ZstdError) as error:  # type: ignore[misc]
            raise ImageError(
                "bad-layer",
                f"The layer {digest} of the base image cannot be read: {error}.",
                "Push the image again.",
                fault="outside",
            ) from error


def _plain(file: BinaryIO, head: bytes) -> BinaryIO:
    if head.startswith(b"\x1f\x8b"):
        return GZIP.plain(file)
    if is_zstd(head):
        return ZSTD.plain(file)
    return file
