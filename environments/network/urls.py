"""Read URLs by the WHATWG rules, as the solvers do: the only parser that decides which host a URL leads to.

Python's own parsers read some URLs differently: to uv and rattler, `http://%31%32%37.0.0.1/` and
`http:///127.0.0.1/` are this machine. A URL whose host is not written as every program reads it is refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import ada_url

LONGEST = 8192
_PORTS = {"http": 80, "https": 443}
_ATTRIBUTES = ("protocol", "hostname", "port", "username", "password")
_UNPRINTABLE = re.compile(r"[^!-~]|\\")
_AUTHORITY = re.compile(
    r"(?P<scheme>[a-z]+)://(?:[^/?#]*@)?(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]+)(?::\d*)?(?P<target>(?:[/?#].*)?)",
    re.IGNORECASE,
)
_NUMERIC = re.compile(r"[0-9a-fx.]+")


class UnreadableUrl(ValueError):
    """A URL that names no host, or that programs read in different ways; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """The target of an http(s) URL: `host` in its canonical form, IPv6 addresses without brackets.

    `target` is path, query and fragment as written; `login` is whether user or password are in the URL.
    """

    scheme: str
    host: str
    port: int
    target: str
    login: bool

    @property
    def authority(self) -> str:
        """Return host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str) -> WebUrl:
    """Return what an http(s) URL leads to. Raises UnreadableUrl."""
    if len(text) > LONGEST:
        raise UnreadableUrl(f"An address has up to {LONGEST} characters.")
    if _UNPRINTABLE.search(text):
        raise UnreadableUrl("An address is written in ASCII, without spaces and backslashes.")
    try:
        read = ada_url.parse_url(text, _ATTRIBUTES)
    except ValueError as error:
        raise UnreadableUrl("It is not a complete web address.") from error
    scheme, host = read["protocol"].removesuffix(":"), read["hostname"]
    if scheme not in _PORTS or not host:
        raise UnreadableUrl("A web address begins with https:// or http:// and names a host.")
    written = _AUTHORITY.fullmatch(text)
    if written is None or not _is_spelling(written["host"].lower(), host):
        raise UnreadableUrl(f"Programs read its host in different ways; write it as {scheme}://{host}.")
    return WebUrl(
        scheme=scheme,
        host=host.strip("[]"),
        port=int(read["port"] or _PORTS[scheme]),
        target=written["target"],
        login=bool(read["username"] or read["password"]),
    )


def _is_spelling(written: str, host: str) -> bool:
    """Return whether a host is written as all programs read it; the system's resolver knows short IPv4 forms."""
    if written == host:
        return True
    if host.startswith("["):
        try:
            return ipaddress.ip_address(written.strip("[]")) == ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
    return bool(re.fullmatch(r"\d+(?:\.\d+){3}", host) and _NUMERIC.fullmatch(written))
