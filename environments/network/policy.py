"""The egress policy: addresses that the studio connects to on behalf of members (protection against SSRF).

Members name registries, indexes, channels and webhooks, and the studio may be in a network that they have no access
to. Connections to their URLs are made by `environments.network.client.checked_client(settings.EGRESS_POLICY)`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

from environments.network.deadlines import Deadlines
from environments.network.look_up import resolve_host
from environments.network.urls import UnreadableUrl, parse_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Iterable[str]]

KEYWORDS = frozenset({"loopback", "private"})
_KIND_LABELS = {
    "loopback": "of the studio's own machine (loopback)",
    "private": "of a private network",
    "link-local": "link-local, where clouds keep the passwords of their machines",
    "metadata": "where a cloud keeps the passwords of its machines",
    "special": "of no machine of its own",
}
_HOST = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|\.?[a-z0-9_]([a-z0-9._-]*[a-z0-9])?)(:(?P<port>\d{1,5}))?")
_PORTS = {"http": (80,), "https": (443,), "": (80, 443)}
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")  # to the kernel, this machine
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
# Metadata services of AWS, Google, Alibaba, Azure and Oracle, beside 169.254.169.254.
_METADATA = {
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
}


class AddressRefused(Exception):
    """An address that the studio does not connect to, with the reason and what to do."""

    def __init__(self, host: str, address: Address, kind: str) -> None:
        self.host = host
        self.address = str(address)
        location = f"{host} is" if host == self.address else f"{host} is at {self.address}, which is"
        self.message = f"The studio does not connect to {host}: {location} {_KIND_LABELS[kind]}."
        self.help = f"Use a public address, or ask an admin to add {host} to STUDIO_ALLOW_ADDRESSES."
        super().__init__(f"{self.message} {self.help}")


@dataclass(frozen=True)
class EgressPolicy:
    """The addresses that may be connected to, and how long their answers may take; public addresses always may."""

    keywords: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    endpoints: frozenset[tuple[str, int]] = frozenset()
    look_up: Resolver = field(default=resolve_host, compare=False)
    deadlines: Deadlines = field(default_factory=Deadlines)

    @classmethod
    def read(cls, entries: Iterable[str], configured: Iterable[str] = ()) -> Self:
        """Parse a setting: `loopback`, `private`, addresses, networks, hosts, hosts with a port.

        `.example.com` is every host below it. `configured` are URLs or hosts of other settings. Raises ValueError.
        """
        keywords, networks, hosts, endpoints = set(), [], set(), set()
        for entry in filter(None, (entry.strip().lower() for entry in entries)):
            if entry in KEYWORDS:
                keywords.add(entry)
            elif (network := _parse_network(entry)) is not None:
                networks.append(network)
            elif (match := _HOST.fullmatch(entry)) is None:
                raise ValueError(
                    f"{entry!r} is neither loopback, private, an address, a network such as 10.2.0.0/16,"
                    " a host such as pypi.example.com:8080, nor .example.com for all hosts below it."
                )
            elif match["port"]:
                endpoints.add((_normalized_host(match["host"]), int(match["port"])))
            else:
                hosts.add(entry)
        for url in configured:
            endpoints |= _endpoints_of(url)
        return cls(frozenset(keywords), tuple(networks), frozenset(hosts), frozenset(endpoints))

    def addresses(self, host: str, port: int) -> list[str]:
        """Resolve a host once, and return those of its addresses that may be connected to.

        Raises AddressRefused if there are none, OSError if the host is unknown.
        """
        addresses = list(self.look_up(host, port))
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address")
        if self._is_listed(host, port):
            return addresses
        checked = [(text, self._refusal(_parse_address(text))) for text in addresses]
        allowed = [text for text, kind in checked if not kind]
        if not allowed:
            text, kind = checked[0]
            raise AddressRefused(host, _parse_address(text), kind)
        return allowed

    def check(self, url: str) -> None:
        """Raise AddressRefused for a forbidden URL, before another program is sent there.

        Raises UnreadableUrl for a URL that programs read differently, OSError for a host that is unknown here.
        """
        self.addresses(*_host_and_port(url))

    def check_literal(self, url: str) -> None:
        """Raise AddressRefused for a URL with a forbidden address in it; names are not resolved.

        Raises UnreadableUrl for a URL that programs read differently.
        """
        host, port = _host_and_port(url)
        try:
            if host != "localhost":
                socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        except OSError:
            return
        self.addresses(host, port)

    def without_loopback(self, urls: Iterable[str] = ()) -> Self:
        """Return the policy without the loopback that it allows, except at the hosts and ports of these URLs."""
        if "loopback" not in self.keywords:
            return self
        named = {endpoint for url in urls for endpoint in _endpoints_of(url) if _is_loopback(endpoint[0])}
        return replace(self, keywords=self.keywords - {"loopback"}, endpoints=self.endpoints | named)

    def _is_listed(self, host: str, port: int) -> bool:
        name = _normalized_host(host)
        below = (name[at:] for at, letter in enumerate(name) if letter == ".")
        return (name, port) in self.endpoints or not self.hosts.isdisjoint({name, *below})

    def _refusal(self, address: Address) -> str:
        """Return the kind that forbids an address, a key of `_KIND_LABELS`; empty if it is allowed."""
        if _in_networks(address, self.networks):
            return ""
        candidates = _embedded_addresses(address)
        kinds = (_kind(candidate) for candidate in candidates if not _in_networks(candidate, self.networks))
        return next((kind for kind in kinds if kind and kind not in self.keywords), "")


def _kind(address: Address) -> str:
    """Return the kind of an address, a key of `_KIND_LABELS`; empty if it is public."""
    if address in _METADATA:
        return "metadata"
    if address.is_link_local:
        return "link-local"
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified or address.is_multicast or _in_networks(address, (_THIS_NETWORK,)):
        return "special"
    if _in_networks(address, (_SITE_LOCAL,)):
        return "private"
    if address.is_reserved:
        return "special"
    return "" if address.is_global else "private"


def _is_loopback(host: str) -> bool:
    """Return whether a host is the loopback itself, not a name that may point there now and elsewhere later."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _embedded_addresses(address: Address) -> list[Address]:
    """Return all addresses that a connection may reach: also IPv4 addresses embedded in the IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return [last]
    if address.sixtofour is not None:  # by itself it is global or not, depending on Python's version
        return [address.sixtofour]
    embedded: list[Address | None] = [address, *(address.teredo or ())]
    if int(address) >> 32 & 0xFFFFFFFF in (0x5EFE, 0x2005EFE):  # ISATAP
        embedded.append(last)
    return [candidate for candidate in embedded if candidate is not None]


def _parse_address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _in_networks(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _parse_network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _normalized_host(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of a URL. Raises UnreadableUrl."""
    read = parse_url(url)
    return _normalized_host(read.host), read.port


def _endpoints_of(url: str) -> set[tuple[str, int]]:
    with suppress(UnreadableUrl):
        read = parse_url(url)
        return {(_normalized_host(read.host), read.port)}
    parts = urlsplit(url if "://" in url else f"//{url}")
    if not parts.hostname:  # file:///srv/channel
        return set()
    ports = (parts.port,) if parts.port else _PORTS.get(parts.scheme, ())
    return {(_normalized_host(parts.hostname), port) for port in ports}


LOCAL_POLICY = EgressPolicy(keywords=KEYWORDS)
"""The policy of a studio on its user's own machine: loopback and private networks are allowed."""
