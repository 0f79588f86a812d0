"""Summary, licence and links of a package, as the studio's package index has them; fetched in the background.

The page never waits for the network: it shows what is cached, and asks again a moment later.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from django.conf import settings
from django.core.cache import cache
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from environments.network.client import checked_client, timed_client
from environments.network.deadlines import Deadlines
from environments.network.policy import AddressRefused
from studio.defining.completion import (
    DEADLINE_SECONDS,
    FAILURE_CACHE_SECONDS,
    JSON_LISTING,
    MAX_LISTING_BYTES,
    NAME,
    TIMEOUT_SECONDS,
    index,
    index_url,
    newest_first,
)

CACHE_SECONDS = 86_400.0
MAX_METADATA_BYTES = 500_000
LONGEST = 300  # characters of a summary or a licence
UNREADABLE = (
    httpx.HTTPError,
    httpx.InvalidURL,
    AddressRefused,
    TimeoutError,
    ValueError,
    AttributeError,
    TypeError,
    KeyError,
    RecursionError,
)


@dataclass(frozen=True)
class About:
    """The details of a package in the index; `pending` while they are being fetched."""

    summary: str = ""
    licence: str = ""
    home: str = ""
    newest: str = ""
    index_page: str = ""
    pending: bool = False


def about(name: str, ecosystem: str, channel: str = "") -> About:
    """Return what is known of a package, without waiting for it."""
    if ecosystem == "conda":
        known = channel.isascii() and channel.replace("-", "").isalnum()
        return About(index_page=f"https://anaconda.org/{channel}/{name}" if channel and known else "")
    if ecosystem != "pypi" or not NAME.fullmatch(name):
        return About()
    listed = index.listing(name)
    fields = details.of(name)
    pending = listed is None or fields is None
    newest = newest_first(set(listed))[0] if listed else ""
    return About(newest=newest, index_page=_index_page(name), pending=pending, **(fields or {}))


def _index_page(name: str) -> str:
    url = index_url()
    return f"https://pypi.org/project/{name}/" if urlsplit(url).hostname == "pypi.org" else ""


class Details:
    """The details of packages, each fetched once in the background and cached."""

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="package-details")

    def of(self, name: str) -> dict[str, str] | None:
        """Return summary, licence and home of a package; None while they are being fetched."""
        cached: dict[str, str] | None = cache.get(_cache_key(name))
        if cached is not None:
            return cached
        with self._lock:
            if name not in self._pending:
                self._pending.add(name)
                self._threads.submit(self._fetch, name)
        return None

    def _fetch(self, name: str) -> None:
        try:
            cache.set(_cache_key(name), fetch_details(index_url(), name), CACHE_SECONDS)
        except UNREADABLE:
            cache.set(_cache_key(name), {}, FAILURE_CACHE_SECONDS)
        finally:
            with self._lock:
                self._pending.discard(name)


details = Details()


def fetch_details(url: str, name: str) -> dict[str, str]:
    """Return summary, licence and home from the newest wheel's metadata (PEP 658); empty where the index has none."""
    page = f"{url.rstrip('/')}/{name}/"
    deadlines = Deadlines(head=DEADLINE_SECONDS, whole=DEADLINE_SECONDS)
    with timed_client(deadlines, timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
        listing = _read(client, page, MAX_LISTING_BYTES, {"Accept": JSON_LISTING})
        files = httpx.Response(200, content=listing).json().get("files", [])
        wheel = _newest_wheel(files)
        if not wheel:
            return {}
        location = urljoin(page, wheel) + ".metadata"
        if urlsplit(location).netloc == urlsplit(page).netloc:
            return read_metadata(_read(client, location, MAX_METADATA_BYTES))
    # Another host than the operator's own is named by the index alone.
    with checked_client(settings.EGRESS_POLICY, deadlines=deadlines, timeout=TIMEOUT_SECONDS) as client:
        return read_metadata(_read(client, location, MAX_METADATA_BYTES))


def _newest_wheel(files: list[dict[str, Any]]) -> str:
    """Return the URL of a wheel of the newest version that offers its metadata alone."""
    urls: dict[str, str] = {}
    for file in files:
        if not (file.get("core-metadata") or file.get("dist-info-metadata")):
            continue
        try:
            version = str(parse_wheel_filename(str(file["filename"]))[1])
        except InvalidWheelFilename:
            continue
        urls[version] = str(file["url"])
    return urls[newest_first(set(urls))[0]] if urls else ""


def _read(client: httpx.Client, url: str, most: int, headers: dict[str, str] | None = None) -> bytes:
    with client.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > most:
                raise ValueError(f"{url} is longer than {most} bytes.")
    return bytes(body)


def read_metadata(content: bytes) -> dict[str, str]:
    """Return summary, licence and home of a METADATA file, each on one short line."""
    fields = BytesHeaderParser().parsebytes(content)

    def line(name: str) -> str:
        text = " ".join(str(fields.get(name, "")).split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    licences = [
        value.rpartition("::")[2].strip()
        for value in fields.get_all("Classifier", [])
        if value.startswith("License ::")
    ]
    homes = [line("Home-page")]
    for value in fields.get_all("Project-URL", []):
        label, _, address = str(value).partition(",")
        if label.strip().lower() in ("homepage", "home", "source", "repository", "documentation"):
            homes.append(address.strip())
    home = next((url for url in homes if url.startswith(("https://", "http://")) and len(url) <= LONGEST), "")
    stated = line("License")
    short = stated if len(stated) <= 80 else ""  # the whole text of a licence is there at times
    licence = line("License-Expression") or short or ", ".join(licences[:3])
    return {"summary": line("Summary"), "licence": licence, "home": home}


def _cache_key(name: str) -> str:
    return f"package-details:{index_url()}:{name}".replace(" ", "")
