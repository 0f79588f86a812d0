"""How names and versions of packages go on, while somebody types them: at once, from what is known.

Names are those of the images that this person may see, and well-known ones. Versions are those too, and what the
studio's package index lists: that is asked in the background and kept for a while, so no answer waits for it.
"""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

from builds.images.indexes import indexes_of
from builds.models import ImagePackage, Package
from builds.packages import images_within
from environments.access import workspaces_of
from environments.definition.specs import pip_name

ECOSYSTEMS = ("pypi", "conda")
MOST = 50
KEPT_SECONDS = 600.0
FAILED_SECONDS = 60.0  # an index that is away is not asked with every key
PATIENCE_SECONDS = 10.0
LARGEST_LISTING = 20_000_000  # bytes: the largest on PyPI has a few millions
JSON_LISTING = "application/vnd.pypi.simple.v1+json"
WELL_KNOWN = tuple((Path(__file__).parent / "well_known.txt").read_text().split())

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_LINK = re.compile(r"<a\b[^>]*>([^<]+)</a>", re.IGNORECASE)


@dataclass(frozen=True)
class Completion:
    """What a word can become; `more` while the index is being asked."""

    options: list[str]
    more: bool = False


def names(user: Any, ecosystem: str, begun: str) -> Completion:
    """Return names of packages that begin like this: those in images that one may see first, then well-known ones."""
    beginning = pip_name(begun)[:100]
    if not beginning or ecosystem not in ECOSYSTEMS:
        return Completion([])
    known = _seen_by(user, ecosystem).filter(name__startswith=beginning)
    found = list(known.order_by("name").values_list("name", flat=True).distinct()[:MOST])
    found += [name for name in WELL_KNOWN if name.startswith(beginning) and name not in found]
    return Completion(found[:MOST])


def versions(user: Any, ecosystem: str, name: str) -> Completion:
    """Return the versions of a package, newest first."""
    if ecosystem not in ECOSYSTEMS or not _NAME.fullmatch(name):
        return Completion([])
    normal = pip_name(name)
    found = set(_seen_by(user, ecosystem).filter(name=normal).values_list("version", flat=True))
    listed = index.listing(normal) if ecosystem == "pypi" else []
    if listed is not None:
        found |= set(listed)
    return Completion(newest_first(found)[:MOST], more=listed is None)


def _seen_by(user: Any, ecosystem: str) -> Any:
    """Return the packages of images that a person may see: names can tell what others work on."""
    held = ImagePackage.objects.filter(package=OuterRef("pk"), image__in=images_within(workspaces_of(user)))
    return Package.objects.filter(Exists(held), ecosystem=ecosystem)


def newest_first(found: set[str]) -> list[str]:
    """Return versions from new to old, finished ones before those that are none of PEP 440's or not finished."""

    def place(text: str) -> tuple[int, Version]:
        try:
            version = Version(text)
        except InvalidVersion:
            return 0, Version("0")
        return (1 if version.is_prerelease else 2), version

    return sorted(found, key=place, reverse=True)


class Index:
    """The studio's package index, asked for versions in the background: nobody who types waits for it."""

    def __init__(self) -> None:
        self._asking: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="completion")

    def listing(self, name: str) -> list[str] | None:
        """Return the versions of a package as last heard; None while they are being asked for."""
        kept: list[str] | None = cache.get(_key(name))
        if kept is not None:
            return kept
        with self._lock:
            if name not in self._asking:
                self._asking.add(name)
                self._threads.submit(self._ask, name)
        return None

    def _ask(self, name: str) -> None:
        try:
            found = ask_index(index_url(), name)
            cache.set(_key(name), found, KEPT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            # Completion is a comfort: an index that cannot be reached or read says nothing, for a minute.
            cache.set(_key(name), [], FAILED_SECONDS)
        finally:
            with self._lock:
                self._asking.discard(name)


index = Index()


def index_url() -> str:
    """Return the address of the index that builds ask where their definition names none."""
    return indexes_of([], settings.INDEX_URL, os.environ)[1].main


def ask_index(url: str, name: str) -> list[str]:
    """Return the versions of a package that an index lists: its JSON, else its page. Raises httpx.HTTPError."""
    accepted = f"{JSON_LISTING}, text/html;q=0.1"
    with (
        httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=True) as client,
        client.stream("GET", f"{url.rstrip('/')}/{name}/", headers={"Accept": accepted}) as response,
    ):
        if response.status_code == 404:
            return []
        response.raise_for_status()
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > LARGEST_LISTING:
                raise ValueError(f"{url} lists more of {name} than anybody reads.")
    if response.headers.get("Content-Type", "").startswith(JSON_LISTING):
        answer = httpx.Response(200, content=bytes(body)).json()
        told = answer.get("versions")
        files = [str(file.get("filename", "")) for file in answer.get("files", [])]
        return newest_first(set(map(str, told))) if told else newest_first(_versions_in(files))
    return newest_first(_versions_in(_LINK.findall(body.decode("utf-8", "replace"))))


def _versions_in(files: list[str]) -> set[str]:
    found = set()
    for file in files:
        try:
            if file.strip().endswith(".whl"):
                found.add(str(parse_wheel_filename(file.strip())[1]))
            else:
                found.add(str(parse_sdist_filename(file.strip())[1]))
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # an egg, an installer, a signature
    return found


def _key(name: str) -> str:
    return f"completion:{index_url()}:{name}".replace(" ", "")
