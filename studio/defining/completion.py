"""Complete names and versions of packages from local data, without waiting for the package index.

Names come from the images that the user may see and from a list of well-known packages. Versions come from the
same images and from the package index, which is queried in the background and cached.
"""

import os
import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.cache import cache
from django.db.models import Exists, OuterRef
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from builds.images.packages import visible_images
from builds.imaging.pip.indexes import indexes_of
from builds.models import ImagePackage, Package
from environments.access import workspaces_of
from environments.definition.packages.specs import pip_name
from environments.network.client import timed_client
from environments.network.deadlines import Deadlines

ECOSYSTEMS = ("pypi", "conda")
MAX_OPTIONS = 50
CACHE_SECONDS = 600.0
FAILURE_CACHE_SECONDS = 60.0  # so that an unreachable index is not queried at each keystroke
TIMEOUT_SECONDS = 10.0
DEADLINE_SECONDS = 30.0  # for a whole listing, however slowly it comes
MAX_LISTING_BYTES = 20_000_000  # bytes; the largest on PyPI has a few million
JSON_LISTING = "application/vnd.pypi.simple.v1+json"
WELL_KNOWN = tuple((Path(__file__).parent / "well_known.txt").read_text().split())

# The last three are of JSON in another shape, or nested without end.
_UNREADABLE = (
    httpx.HTTPError,
    httpx.InvalidURL,
    TimeoutError,
    ValueError,
    AttributeError,
    TypeError,
    RecursionError,
)
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# Never beyond the next `<`: the time is linear in the page's length for any content.
_LINK = re.compile(r"""<a\b(?>[^<>"']|"[^"<]*"|'[^'<]*')*+>([^<]+)</a\s*>""", re.IGNORECASE)


@dataclass(frozen=True)
class Completion:
    """Completions of a word; `more` while the index is being queried."""

    options: list[str]
    more: bool = False


def names(user: Any, ecosystem: str, prefix: str) -> Completion:
    """Return package names with a prefix: first those in images that the user may see, then well-known packages."""
    start = pip_name(prefix)[:100]
    if not start or ecosystem not in ECOSYSTEMS:
        return Completion([])
    known = _visible_packages(user, ecosystem).filter(name__startswith=start)
    options = list(known.order_by("name").values_list("name", flat=True).distinct()[:MAX_OPTIONS])
    options += [name for name in WELL_KNOWN if name.startswith(start) and name not in options]
    return Completion(options[:MAX_OPTIONS])


def versions(user: Any, ecosystem: str, name: str) -> Completion:
    """Return the versions of a package, newest first."""
    if ecosystem not in ECOSYSTEMS or not NAME.fullmatch(name):
        return Completion([])
    normal = pip_name(name)
    known = set(_visible_packages(user, ecosystem).filter(name=normal).values_list("version", flat=True))
    published = index.listing(normal) if ecosystem == "pypi" else []
    if published is not None:
        known |= set(published)
    return Completion(newest_first(known)[:MAX_OPTIONS], more=published is None)


def _visible_packages(user: Any, ecosystem: str) -> Any:
    """Return the packages of images that a user may see: names can reveal what other people work on."""
    contained = ImagePackage.objects.filter(
        package=OuterRef("pk"), image__in=visible_images(workspaces_of(user))
    )
    return Package.objects.filter(Exists(contained), ecosystem=ecosystem)


def newest_first(versions: set[str]) -> list[str]:
    """Return versions from new to old: releases, then pre-releases, then versions that PEP 440 does not know."""

    def sort_key(text: str) -> tuple[int, Version]:
        try:
            version = Version(text)
        except InvalidVersion:
            return 0, Version("0")
        return (1 if version.is_prerelease else 2), version

    return sorted(versions, key=sort_key, reverse=True)


LISTED, ABSENT, UNREACHABLE = "listed", "absent", "unreachable"


@dataclass(frozen=True)
class Listing:
    """The index's answer for a package: its versions, newest first, and whether it has the package at all."""

    versions: list[str]
    state: str


class VersionIndex:
    """The versions that the package index lists, fetched in the background."""

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="completion")

    def listing(self, name: str) -> list[str] | None:
        """Return the cached versions of a package; None while they are being fetched."""
        known = self.lookup(name)
        return None if known is None else known.versions

    def lookup(self, name: str) -> Listing | None:
        """Return what the index is known to have of a package; None while it is being asked."""
        cached: Listing | None = cache.get(cache_key(name))
        if cached is not None:
            return cached
        with self._lock:
            if name not in self._pending:
                self._pending.add(name)
                self._threads.submit(self._fetch, name)
        return None

    def _fetch(self, name: str) -> None:
        try:
            versions = fetch_listing(index_url(), name)
            listing = Listing([], ABSENT) if versions is None else Listing(versions, LISTED)
            cache.set(cache_key(name), listing, CACHE_SECONDS)
        except _UNREADABLE:
            # Completion is optional: an index that cannot be reached or read offers nothing for a minute.
            cache.set(cache_key(name), Listing([], UNREACHABLE), FAILURE_CACHE_SECONDS)
        finally:
            with self._lock:
                self._pending.discard(name)


index = VersionIndex()


def index_url() -> str:
    """Return the URL of the index that builds use when their definition names none."""
    return indexes_of([], settings.INDEX_URL, os.environ)[1].main


def fetch_versions(url: str, name: str) -> list[str]:
    """Return the versions of a package that an index lists, as JSON or HTML. Raises httpx.HTTPError."""
    return fetch_listing(url, name) or []


def fetch_listing(url: str, name: str) -> list[str] | None:
    """Return the versions of a package that an index lists; None if it has no such package. Raises httpx.HTTPError."""
    deadlines = Deadlines(head=DEADLINE_SECONDS, whole=DEADLINE_SECONDS)
    accepted = f"{JSON_LISTING}, text/html;q=0.1"
    with (
        timed_client(deadlines, timeout=TIMEOUT_SECONDS, follow_redirects=True) as client,
        client.stream("GET", f"{url.rstrip('/')}/{name}/", headers={"Accept": accepted}) as response,
    ):
        if response.status_code == 404:
            return None
        response.raise_for_status()
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > MAX_LISTING_BYTES:
                raise ValueError(f"{url} lists more of {name} than anybody reads.")
    if response.headers.get("Content-Type", "").startswith(JSON_LISTING):
        answer = httpx.Response(200, content=bytes(body)).json()
        listed = answer.get("versions")
        files = [str(file.get("filename", "")) for file in answer.get("files", [])]
        return newest_first(set(map(str, listed))) if listed else newest_first(_versions_in(files))
    return newest_first(_versions_in(map(unescape, _LINK.findall(body.decode("utf-8", "replace")))))


def _versions_in(files: Iterable[str]) -> set[str]:
    versions = set()
    for file in files:
        try:
            if file.strip().endswith(".whl"):
                versions.add(str(parse_wheel_filename(file.strip())[1]))
            else:
                versions.add(str(parse_sdist_filename(file.strip())[1]))
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # an egg, an installer, a signature
    return versions


def cache_key(name: str) -> str:
    """Return the key under which the listing of a package is cached."""
    return f"listing:{index_url()}:{name}".replace(" ", "")
