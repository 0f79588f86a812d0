"""Credentials for registries, indexes and channels, matched by URL and kept out of logs."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from environments.network.urls import UnreadableUrl, parse_url

KINDS = ("registry", "index", "channel")
HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = {HUB, "index.docker.io", "registry.hub.docker.com", "hub.docker.com", HUB_HOST}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class InvalidAddress(ValueError):
    """An address that no connection can have, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Login:
    """User and password for the URLs below an address; with an empty user, the password is a token."""

    kind: str
    url: str
    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of a request's Authorization header."""
        if not self.user:
            return f"Bearer {self.password}"
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def within(self, url: str) -> str:
        """Return a URL with user and password in it, for programs that accept them in no other way."""
        scheme, _, rest = url.partition("://")
        host = rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{host}"


class Logins:
    """The credentials of a build. `mark` identifies them in the keys of caches."""

    def __init__(self, known: Iterable[Login] = (), mark: str = "") -> None:
        self.known = tuple(known)
        self.mark = mark

    def __repr__(self) -> str:
        return f"Logins({len(self.known)})"

    def find(self, kind: str, url: str) -> Login | None:
        """Return the credentials for a URL: those with the longest matching prefix."""
        target = _split_url(url)
        matching = [
            login for login in self.known if login.kind == kind and _is_prefix(_split_url(login.url), target)
        ]
        return max(matching, key=lambda login: len(login.url), default=None)

    def beside(self, kind: str, url: str) -> bool:
        """Return whether there are credentials for the URL's host, but none for the URL."""
        target = _split_url(url)
        others = (_split_url(login.url) for login in self.known if login.kind == kind)
        return self.find(kind, url) is None and any(
            parts and target and parts[0] == target[0] for parts in others
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, to be masked in logs and files."""
        return tuple(login.password for login in self.known)


def login_from_url(url: str) -> Login | None:
    """Return the user and password in an index' URL, for all URLs of its host."""
    parts = urlsplit(url)
    if not parts.username:
        return None
    user, password = unquote(parts.username), unquote(parts.password or "")
    return Login("index", f"{parts.scheme}://{host_of(url)}", user, password)


def without_login(url: str) -> str:
    """Return a URL without the user and password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=host_of(url)))


def normalize_address(kind: str, typed: str) -> str:
    """Return an address in its canonical form. Raises InvalidAddress.

    A registry is host and path; a scheme is kept only where it is not the default (HTTP for this machine).
    """
    text = typed.strip().rstrip("/")
    scheme, separator, rest = text.rpartition("://")
    if kind != "registry" and not separator:
        raise InvalidAddress("Write the whole address, beginning with https://.")
    if separator and scheme.lower() not in _PORTS:
        raise InvalidAddress(
            "The address must begin with https:// (or http://, where passwords travel unprotected)."
        )
    if "@" in rest:
        raise InvalidAddress("Leave user and password out of the address: they have fields of their own.")
    parts = _split_url(f"{scheme.lower() or 'https'}://{rest}")
    host, _, path = rest.partition("/")
    if parts is None or not _HOST.fullmatch(_without_port(host)) or re.search(r"[\s?#]", rest):
        raise InvalidAddress("This is not a valid address. Write it as host/path, with :port if it has one.")
    host = host.lower()
    if kind == "channel" and re.match(r"t/[^/]+", path):
        raise InvalidAddress("Leave /t/<token> out of the address: put the token in the password field.")
    address = f"{host}/{path}" if path else host
    if kind != "registry":
        return f"{scheme.lower()}://{address}"
    if host in _HUB_NAMES:
        address = "/".join(filter(None, [HUB, path.removeprefix("v1").removeprefix("v2").strip("/")]))
    own = "http" if is_loopback(host) else "https"
    return address if scheme.lower() in ("", own) else f"{scheme.lower()}://{address}"


def url_of(kind: str, address: str) -> str:
    """Return the URL prefix that an address' credentials are valid for."""
    if kind != "registry":
        # The files of an index are beside its listing, which is called simple.
        return address.removesuffix("/simple") if kind == "index" else address
    if "://" in address:
        return address
    host, slash, path = address.partition("/")
    if host == HUB:
        return f"https://{HUB_HOST}{slash}{path}"
    return f"{'http' if is_loopback(host) else 'https'}://{address}"


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    name = _without_port(host).strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def host_of(url: str) -> str:
    """Return host and port of a URL, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _without_port(host: str) -> str:
    return re.sub(r":\d{1,5}$", "", host)


_UrlParts = tuple[tuple[str, str, int], tuple[str, ...]]


def _split_url(url: str) -> _UrlParts | None:
    """Return (scheme, host, port) and the path's segments; None for a URL that programs may read differently."""
    try:
        read = parse_url(url)
    except UnreadableUrl:
        return None
    path = re.split(r"[?#]", read.target, maxsplit=1)[0]
    segments = tuple(unquote(part) for part in path.split("/") if part)
    if any(part in (".", "..") or "/" in part or "\\" in part for part in segments):
        return None
    return (read.scheme, read.host.rstrip("."), read.port), segments


def _is_prefix(prefix: _UrlParts | None, target: _UrlParts | None) -> bool:
    if prefix is None or target is None:
        return False
    return prefix[0] == target[0] and target[1][: len(prefix[1])] == prefix[1]
