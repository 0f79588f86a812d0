"""Where images are made: the store, the caches, and how the outside is reached."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builds.images.store import BlobStore, disk_errors, free
from environments.logins import Login, Logins, login_in
from environments.reach import OWN_MACHINE, Reach

_MARKED_SECONDS = 3600.0  # how exact the time of the last use is


@dataclass(frozen=True)
class Workshop:
    """What every step of a build is given. `cache` may be deleted at any time; builds are then slower.

    `spend` is told the bytes that are added to the cache; it raises where they are too many.
    """

    store: BlobStore
    cache: Path
    mirrors: Mapping[str, str] = field(default_factory=dict)
    index_url: str | None = None
    channel_mirrors: Mapping[str, str] = field(default_factory=dict)
    logins: Logins = field(default_factory=Logins)
    file_channels: bool = True
    reach: Reach = OWN_MACHINE
    jobs: int = 2
    bytecode: bool = True
    spend: Callable[[int], None] = free

    def login(self, kind: str, url: str) -> Login | None:
        """Return the credentials that belong to an address: the workspace's, else those of the studio's index."""
        found = self.logins.find(kind, url)
        own = login_in(self.index_url) if kind == "index" and self.index_url else None
        return found or (Logins([own]).find(kind, url) if own else None)

    def private(self, kind: str, urls: Iterable[str]) -> str:
        """Return what sets apart what is remembered of these addresses, if the workspace's credentials are used.

        What one workspace was shown by a private index must not be known to another without asking.
        """
        return self.logins.mark if any(self.logins.find(kind, url) for url in urls) else ""

    def remember(self, kind: str, key: str, value: Any) -> None:
        """Keep a small JSON value for later builds, whole or not at all."""
        place = self._place(kind, key)
        with disk_errors():
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{secrets.token_hex(8)}")
            temporary.write_text(json.dumps(value, separators=(",", ":")))
            os.replace(temporary, place)

    def recall(self, kind: str, key: str) -> Any:
        """Return what was remembered under this key, or None."""
        place = self._place(kind, key)
        try:
            return json.loads(place.read_bytes()) if self.used(place) else None
        except (FileNotFoundError, ValueError):
            return None

    def used(self, place: Path) -> bool:
        """Return whether a file of the cache is there, and mark it as used: what is not, is forgotten one day."""
        try:
            if time.time() - place.stat().st_mtime > _MARKED_SECONDS:
                os.utime(place)
        except FileNotFoundError:
            return False
        return True

    def folder(self, kind: str) -> Path:
        """Return a folder of the cache, made if it is not there."""
        folder = self.cache / kind
        with disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _place(self, kind: str, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.cache / kind / digest[:2] / f"{digest}.json"
