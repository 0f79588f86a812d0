"""The context of image builds: the store, the caches, and access to the network."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from builds.imaging.oci.codecs import CODECS, Codec
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore, disk_errors, free
from builds.imaging.reporting import Reporter
from environments.network.credentials import Login, Logins, login_from_url
from environments.network.policy import LOCAL_POLICY, EgressPolicy

Bytecode = Literal["imported", "all", "none"]
"""Which modules of packages are compiled: those that imports reach from the requested packages, all, or none."""

BYTECODES: dict[str, Bytecode] = {choice: choice for choice in get_args(Bytecode)}

Ready = Callable[[Sequence[Descriptor]], None]

_RECEIVED = "received"
_MARKED_SECONDS = 3600.0  # how exact the time of the last use is


class BasePython(Protocol):
    """The Python of a build's base image, which compiles in a container of that image."""

    @property
    def digest(self) -> str:
        """Return the base's digest."""

    @property
    def minor(self) -> tuple[int, int]:
        """Return its major and minor version."""

    def facts(self, reporter: Reporter) -> Mapping[str, Any] | None:
        """Return what it answers about itself, or None if it cannot run, which the log then explains."""

    def connect(self) -> int:
        """Return a new descriptor: a socket to a process that compiles. Raises ImageError."""


@dataclass(frozen=True)
class ManagedPythons:
    """The folder of the Pythons that uv installs, whether it may install more, and where from.

    `mirror` and `downloads_json_url` are uv's options of the same names; empty for uv's own.
    """

    folder: Path
    download: bool = True
    mirror: str = ""
    downloads_json_url: str = ""


@dataclass(frozen=True)
class Workshop:
    """The context passed to every step of a build. `cache` may be deleted at any time; builds are then slower.

    `compression` is that of the layers that are made, a key of CODECS.
    `reserve_disk` is called with the bytes that are added to the cache; it raises when they are too many.
    `builds_sources` says whether wheels can be built from source distributions. `layers_ready` is called with layers that
    are complete while others are still made. `interpreters` are those that were chosen to compile, by minor version: a
    build chooses once. `early` are the sha256 of files that were fetched before all packages were chosen.
    """

    store: BlobStore
    cache: Path
    mirrors: Mapping[str, str] = field(default_factory=dict)
    index_url: str | None = None
    channel_mirrors: Mapping[str, str] = field(default_factory=dict)
    logins: Logins = field(default_factory=Logins)
    file_channels: bool = True
    reach: EgressPolicy = LOCAL_POLICY
    jobs: int = 2
    bytecode: Bytecode = "imported"
    compression: str = "gzip"
    reserve_disk: Callable[[int], None] = free
    builds_sources: Callable[[], bool] = lambda: True
    layers_ready: Ready = lambda _: None
    managed_pythons: ManagedPythons | None = None
    base_python: BasePython | None = None
    interpreters: dict[tuple[int, int], Any] = field(default_factory=dict, compare=False, repr=False)
    early: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def codec(self) -> Codec:
        """The codec of layers that are made from packages."""
        return CODECS[self.compression]

    def login(self, kind: str, url: str) -> Login | None:
        """Return the credentials that belong to an address: the workspace's, else those of the studio's index."""
        credentials = self.logins.find(kind, url)
        own = login_from_url(self.index_url) if kind == "index" and self.index_url else None
        return credentials or (Logins([own]).find(kind, url) if own else None)

    def private(self, kind: str, urls: Iterable[str]) -> str:
        """Return what sets apart what is remembered of these addresses, if the workspace's credentials are used.

        What one workspace was shown by a private index must not be known to another without asking.
        """
        return self.logins.mark if any(self.logins.find(kind, url) for url in urls) else ""

    def record_received(self, digest: str, *, private: bool) -> None:
        """Record that a server sent these bytes: to this workspace's credentials, or to anyone."""
        self.remember(_RECEIVED, self._received_key(self.logins.mark if private else "", digest), value=True)

    def has_received(self, digest: str) -> bool:
        """Return whether a server sent these bytes to this workspace, or to anyone.

        Knowing a digest gives no access: bytes that only another workspace received are requested again.
        """
        marks = {"": None, self.logins.mark: None}
        return any(self.recall(_RECEIVED, self._received_key(mark, digest)) for mark in marks)

    @staticmethod
    def _received_key(mark: str, digest: str) -> str:
        return f"{mark} {digest.removeprefix('sha256:')}"

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep a small JSON value for later builds, whole or not at all."""
        path = self._cache_path(kind, key)
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{secrets.token_hex(8)}")
            temporary.write_text(json.dumps(value, separators=(",", ":")))
            os.replace(temporary, path)

    def recall(self, kind: str, key: str) -> Any:
        """Return what was remembered under this key, or None."""
        path = self._cache_path(kind, key)
        try:
            return json.loads(path.read_bytes()) if self.used(path) else None
        except (FileNotFoundError, ValueError):
            return None

    def used(self, path: Path) -> bool:
        """Return whether a file of the cache is there, and mark it as used: what is not, is forgotten one day."""
        try:
            if time.time() - path.stat().st_mtime > _MARKED_SECONDS:
                os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def folder(self, kind: str) -> Path:
        """Return a folder of the cache, made if it is not there."""
        folder = self.cache / kind
        with disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _cache_path(self, kind: str, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.cache / kind / digest[:2] / f"{digest}.json"
