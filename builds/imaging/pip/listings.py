"""Read what indexes list of a package: all its files, with their hashes and the Pythons that they are for."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from builds.imaging import egress
from builds.imaging.access_errors import refused
from builds.imaging.answers import PLAIN, BadAnswer, bounded, following_redirects
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.interruptible import interruptible
from builds.imaging.pip.indexes import Indexes
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.network.credentials import host_of, login_from_url, without_login

MOST_BYTES = 64 * 1024**2
MOST_FILES = 100_000
_LONGEST = 300
_ABSENT = (404, 410)
_DENIED = (401, 403)
_TIMEOUT = httpx.Timeout(20.0)
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SYSTEMS = {"win": "Windows", "macosx": "macOS", "ios": "iOS", "android": "Android"}
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedFile:
    """A file of an index: a wheel, with its tags, or a source distribution, without any."""

    filename: str
    version: Version
    url: str
    sha256: str
    size: int
    requires_python: str
    withdrawn: bool
    tags: frozenset[Tag] = frozenset()
    uploaded: dt.datetime | None = None
    index: str = ""

    def runs_on(self, python: str) -> bool:
        """Return whether the index says that this file is for a Python, as pip reads it: upper bounds count."""
        try:
            return SpecifierSet(self.requires_python).contains(python, prereleases=True)
        except InvalidSpecifier:
            return True

    def as_entry(self) -> Mapping[str, Any]:
        """Return the file as a solver's lock has it."""
        entry: dict[str, Any] = {"name": self.filename, "url": self.url, "size": self.size}
        if self.uploaded is not None:
            entry["upload-time"] = self.uploaded
        return {**entry, "hashes": {"sha256": self.sha256}}


class Listings:
    """The listings of a definition's indexes, each requested once.

    Where an index that needs a connection has a package, the others are not read; nor where the package has an index
    of its own.
    """

    def __init__(
        self,
        indexes: Indexes,
        pages: Sequence[str],
        workshop: Workshop,
        reporter: Reporter,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._indexes = indexes
        self._pages = pages
        self._workshop = workshop
        self._reporter = reporter
        self._limits = limits
        self._known: dict[str, tuple[ListedFile, ...]] = {}
        self._private: dict[str, str] = {}

    def of(self, name: str) -> tuple[ListedFile, ...]:
        """Return the files of a package, by its normalised name, that were uploaded early enough."""
        files = self.every(name)
        if not self._limits:
            return files
        return tuple(file for file in files if self._limits.allows(name, file.index, file.uploaded))

    def every(self, name: str) -> tuple[ListedFile, ...]:
        """Return every file of a package; none where no index answers with it."""
        if name not in self._known:
            self._known[name] = interruptible(partial(self._of, name), self._reporter)
        return self._known[name]

    def of_version(self, name: str, version: str, reporter: Reporter) -> list[ListedFile]:
        """Return the files of one version that indexes list, early enough; only their names are read.

        Many threads may call it.
        """
        files: list[ListedFile] = []
        with egress.client(self._workshop.reach, timeout=_TIMEOUT) as client:
            for url in self._indexes.of(name, self._workshop.logins):
                reporter.check()
                private = self._indexes.is_private(url, self._workshop.logins)
                required = private or name in self._indexes.own
                page = f"{url.rstrip('/')}/{name}/"
                listed = self._read(client, page, name, url, required=required, only=f"-{version}-")
                files += listed
                if listed and private:
                    break
        return [file for file in files if self._limits.allows(name, file.index, file.uploaded)]

    def private_index_of(self, name: str) -> str:
        """Return the index that needs a connection and has a package; empty for none."""
        return self._private.get(name, "") if self.every(name) else ""

    def _of(self, name: str) -> tuple[ListedFile, ...]:
        with egress.client(self._workshop.reach, timeout=_TIMEOUT) as client:
            files: list[ListedFile] = []
            for url in self._indexes.of(name, self._workshop.logins):
                private = self._indexes.is_private(url, self._workshop.logins)
                required = private or name in self._indexes.own
                listed = self._read(client, f"{url.rstrip('/')}/{name}/", name, url, required=required)
                files += listed
                if listed and private:
                    self._private[name] = url
                    break
            for page in () if name in self._indexes.own else self._pages:
                files += self._read(client, page, name, page)
        return tuple(files)

    def _read(
        self,
        client: httpx.Client,
        url: str,
        name: str,
        index: str,
        *,
        required: bool = False,
        only: str = "",
    ) -> list[ListedFile]:
        """Return the files that a page lists of a package; none from a page that fails, unless it is `required`.

        Of all of them, those with `only` in their address.

        Whether a private index has a name must be known before another index is read.
        """
        headers = {**PLAIN, "Accept": _ACCEPT}
        plain = without_login(url)
        if (own := login_from_url(url)) is not None:
            headers["Authorization"] = own.header
        try:
            with following_redirects(client, "index", plain, self._workshop, headers) as (response, _):
                if response.status_code != 200:
                    if required and response.status_code in _DENIED:
                        raise refused("index", plain, status=str(response.status_code))
                    if required and response.status_code not in _ABSENT:
                        raise _unread(url, f"it answers {response.status_code}")
                    return []
                text = bounded(response, MOST_BYTES).decode(errors="replace")
                at, kind = str(response.url), response.headers.get("content-type", "")
        except (httpx.HTTPError, httpx.InvalidURL, BadAnswer, ImageError) as error:
            if not required:
                return []
            if isinstance(error, ImageError):
                raise
            raise _unread(url, str(error)) from error
        entries = _from_json(text) if "json" in kind else _from_html(text)
        wanted = (entry for entry in entries[:MOST_FILES] if only in str(entry.get("url", "")))
        files = (_file(entry, at, name, without_login(index)) for entry in wanted)
        return [file for file in files if file is not None]


def _unread(url: str, why: str) -> ImageError:
    return ImageError(
        "index-unreachable",
        f"The package index {host_of(url)} cannot be read: {why}.",
        "Check the index's address and the studio's network, and build again.",
        fault="outside",
    )


def pythons_of(files: Iterable[ListedFile]) -> str:
    """Return the Pythons that wheels are made for, as "3.7, 3.8 and 3.9"; empty where wheels name none."""
    minors = {
        tuple(map(int, match.groups()))
        for file in files
        for tag in file.tags
        if (match := re.fullmatch(r"cp(\d)(\d{1,2})", tag.interpreter)) and tag.abi != "abi3"
    }
    return in_words([f"{major}.{minor}" for major, minor in sorted(minors)])


def systems_of(filenames: Iterable[str]) -> str:
    """Return the systems other than Linux that wheels are for, if none is for Linux or for all: "Windows"."""
    systems: set[str] = set()
    for filename in filenames:
        named = _named(filename)
        for tag in named[2] if named is not None else ():
            systems.add(next((name for sign, name in _SYSTEMS.items() if tag.platform.startswith(sign)), ""))
    return "" if "" in systems else in_words(sorted(systems))


def in_words(items: Sequence[str]) -> str:
    """Return a list as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def _from_json(text: str) -> list[dict[str, Any]]:
    with suppress(ValueError, RecursionError):
        files = json.loads(text).get("files")
        return [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return []


class _Links(HTMLParser):
    """The links of a page, in the form that JSON listings have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "a" or not given.get("href"):
            return
        url, _, fragment = str(given["href"]).partition("#")
        entry: dict[str, Any] = {"url": url, "requires-python": given.get("data-requires-python") or ""}
        if fragment.startswith("sha256="):
            entry["hashes"] = {"sha256": fragment.removeprefix("sha256=")}
        self.entries.append({**entry, "yanked": "data-yanked" in given})


def _from_html(text: str) -> list[dict[str, Any]]:
    with suppress(AssertionError, ValueError):  # of markup that the parser gives up on
        return _Links(text).entries
    return []


def uploaded_at(value: object) -> dt.datetime | None:
    """Return the time that an index or a solver's lock gives a file; None where it gives none."""
    time = value if isinstance(value, dt.datetime) else None
    if isinstance(value, str) and len(value) <= _LONGEST:
        with suppress(ValueError):
            time = dt.datetime.fromisoformat(value)
    if time is None:
        return None
    with suppress(OverflowError):
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    return None


def _file(entry: Mapping[str, Any], page: str, name: str, index: str) -> ListedFile | None:
    """Return a listed file of this package; None for what is neither a wheel nor a source distribution."""
    try:
        url = urljoin(page, str(entry.get("url", "")))
        path = httpx.URL(url).path
    except (ValueError, httpx.InvalidURL):
        return None
    filename = path.rpartition("/")[2]
    named = (
        _named(filename) if len(filename) <= _LONGEST and urlsplit(url).scheme in ("http", "https") else None
    )
    if named is None or named[0] != name:
        return None
    hashes, size = entry.get("hashes"), entry.get("size")
    sha256 = str(hashes.get("sha256", "")).lower() if isinstance(hashes, dict) else ""
    return ListedFile(
        filename=filename,
        version=named[1],
        url=without_login(url),
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        size=size if isinstance(size, int) and size >= 0 else 0,
        requires_python=str(entry.get("requires-python") or "")[:_LONGEST],
        withdrawn=bool(entry.get("yanked")),
        tags=named[2],
        uploaded=uploaded_at(entry.get("upload-time")),
        index=index,
    )


def _named(filename: str) -> tuple[str, Version, frozenset[Tag]] | None:
    with suppress(InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        if filename.endswith(".whl"):
            name, version, _, tags = parse_wheel_filename(filename)
            return str(name), version, tags
        for ending in (".tgz", ".tar.bz2", ".tar.xz"):
            if filename.endswith(ending):
                filename = f"{filename.removesuffix(ending)}.tar.gz"
        name, version = parse_sdist_filename(filename)
        return str(canonicalize_name(name)), version, frozenset()
    return None
