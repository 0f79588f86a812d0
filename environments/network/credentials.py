"""Credentials for addresses: to which they belong, and how they are kept out of what is written."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit, urlunsplit

KINDS = ("registry", "index", "channel")
HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = {HUB, "index.docker.io", "registry.hub.docker.com", "hub.docker.com", HUB_HOST}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class BadAddress(ValueError):
    """An address that nothing can be asked at: a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Login:
    """User and password for what begins with one address; a user of "" means that the password is a token."""

    kind: str
    url: str
    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """What proves it in a request."""
        if not self.user:
            return f"Bearer {self.password}"
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def within(self, url: str) -> str:
        """Return a URL with user and password in it, for a program that takes them in no other way."""
        scheme, _, rest = url.partition("://")
        host = rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{host}"


class Logins:
    """The credentials that one build has. `mark` names them, and what may be remembered with them only."""

    def __init__(self, known: Iterable[Login] = (), mark: str = "") -> None:
        self.known = tuple(known)
        self.mark = mark

    def __repr__(self) -> str:
        return f"Logins({len(self.known)})"

    def find(self, kind: str, url: str) -> Login | None:
        """Return the credentials that belong to an address: of those that fit, the most particular."""
        place = _place(url)
        fitting = [one for one in self.known if one.kind == kind and _holds(_place(one.url), place)]
        return max(fitting, key=lambda one: len(one.url), default=None)

    def beside(self, kind: str, url: str) -> bool:
        """Tell whether credentials are known for this host, though not for this address."""
        place = _place(url)
        same = (_place(one.url) for one in self.known if one.kind == kind)
        return self.find(kind, url) is None and any(p and place and p[0] == place[0] for p in same)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in nothing that is written."""
        return tuple(login.password for login in self.known)


def login_in(url: str) -> Login | None:
    """Return the user and password that stand in an index' URL, for everything of its host."""
    parts = urlsplit(url)
    if not parts.username:
        return None
    user, password = unquote(parts.username), unquote(parts.password or "")
    return Login("index", f"{parts.scheme}://{host_of(url)}", user, password)


def without_login(url: str) -> str:
    """Return a URL without the user and password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=host_of(url)))


def read_address(kind: str, typed: str) -> str:
    """Return an address in the form in which it is kept and shown; raise BadAddress for what is none.

    Of a registry, host and path without a scheme; plain HTTP is what is written as such, or this machine.
    """
    text = typed.strip().rstrip("/")
    scheme, separator, rest = text.rpartition("://")
    if kind != "registry" and not separator:
        raise BadAddress("Write the whole address, beginning with https://.")
    if separator and scheme.lower() not in _PORTS:
        raise BadAddress(
            "The address must begin with https:// (or http://, where passwords travel unprotected)."
        )
    if "@" in rest:
        raise BadAddress("Leave user and password out of the address: they have fields of their own.")
    place = _place(f"{scheme.lower() or 'https'}://{rest}")
    host, _, path = rest.partition("/")
    if place is None or not _HOST.fullmatch(_without_port(host)) or re.search(r"[\s?#]", rest):
        raise BadAddress(
            "This is no address that can be asked. Write it as host/path, with :port if it has one."
        )
    host = host.lower()
    if kind == "channel" and re.match(r"t/[^/]+", path):
        raise BadAddress("Leave /t/<token> out of the address: the token belongs into the password's field.")
    told = f"{host}/{path}" if path else host
    if kind != "registry":
        return f"{scheme.lower()}://{told}"
    if host in _HUB_NAMES:
        told = "/".join(filter(None, [HUB, path.removeprefix("v1").removeprefix("v2").strip("/")]))
    own = "http" if is_loopback(host) else "https"
    return told if scheme.lower() in ("", own) else f"{scheme.lower()}://{told}"


def url_of(kind: str, address: str) -> str:
    """Return the URL that everything must begin with to which an address' credentials belong."""
    if kind != "registry":
        # The files of an index stand beside its listing, which is called simple.
        return address.removesuffix("/simple") if kind == "index" else address
    if "://" in address:
        return address
    host, slash, path = address.partition("/")
    if host == HUB:
        return f"https://{HUB_HOST}{slash}{path}"
    return f"{'http' if is_loopback(host) else 'https'}://{address}"


def is_loopback(host: str) -> bool:
    """Tell whether a host, with its port or without, is this machine."""
    name = _without_port(host).strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def host_of(url: str) -> str:
    """Return host and port of a URL, as people are told of them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _without_port(host: str) -> str:
    return re.sub(r":\d{1,5}$", "", host)


_Place = tuple[tuple[str, str, int], tuple[str, ...]]


def _place(url: str) -> _Place | None:
    """Return (scheme, host, port) and the parts of the path; None for what might mean another place."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "\\" in url:
        return None
    segments = tuple(unquote(part) for part in parts.path.split("/") if part)
    if any(part in (".", "..") or "/" in part or "\\" in part for part in segments):
        return None
    return (parts.scheme, parts.hostname.rstrip("."), port or _PORTS[parts.scheme]), segments


def _holds(prefix: _Place | None, place: _Place | None) -> bool:
    if prefix is None or place is None:
        return False
    return prefix[0] == place[0] and place[1][: len(prefix[1])] == prefix[1]
