"""Which addresses the studio connects to, when somebody else says where.

Members name registries, indexes, channels and web hooks; the studio stands in a network that they may have no
way into, and would ask there for them. So whoever connects to an address that a member gave does it by
`environments.connecting.checked_client(settings.REACH)`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], Iterable[str]]

WORDS = frozenset({"loopback", "private"})
_KINDS = {
    "loopback": "of the studio's own machine (loopback)",
    "private": "of a private network",
    "link-local": "link-local, where clouds keep the passwords of their machines",
    "metadata": "where a cloud keeps the passwords of its machines",
    "special": "of no machine of its own",
}
_HOST = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|\.?[a-z0-9_]([a-z0-9._-]*[a-z0-9])?)(:(?P<port>\d{1,5}))?")
_PORTS = {"http": (80,), "https": (443,), "": (80, 443)}
_HERE = ipaddress.ip_network("0.0.0.0/8")  # to the kernel, the machine itself
_OLD_PRIVATE = ipaddress.ip_network("fec0::/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OLD_MAPPED = ipaddress.ip_network("::/96")
# Where AWS, Google, Alibaba, Azure and Oracle tell a machine its credentials, beside 169.254.169.254.
_METADATA = {
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
}


class AddressRefused(Exception):
    """An address that the studio does not connect to: which one, why, and what to do."""

    def __init__(self, host: str, address: Address, kind: str) -> None:
        self.host = host
        self.address = str(address)
        where = f"{host} is" if host == self.address else f"{host} is at {self.address}, which is"
        self.message = f"The studio does not connect to {host}: {where} {_KINDS[kind]}."
        self.help = (
            f"Name an address that everybody reaches; or whoever runs this studio adds {host} to"
            " STUDIO_ALLOW_ADDRESSES."
        )
        super().__init__(f"{self.message} {self.help}")


def looked_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as the machine's resolver knows them now. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


@dataclass(frozen=True)
class Reach:
    """What may be connected to beside public addresses, which always may."""

    words: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    places: frozenset[tuple[str, int]] = frozenset()
    look_up: LookUp = field(default=looked_up, compare=False)

    @classmethod
    def read(cls, entries: Iterable[str], named: Iterable[str] = ()) -> Self:
        """Return what a setting allows: `loopback`, `private`, addresses, networks, hosts, hosts with a port.

        `.example.com` is every host below it. `named` are URLs or hosts that the settings themselves name.
        Raises ValueError.
        """
        words, networks, hosts, places = set(), [], set(), set()
        for entry in filter(None, (entry.strip().lower() for entry in entries)):
            if entry in WORDS:
                words.add(entry)
            elif (network := _network(entry)) is not None:
                networks.append(network)
            elif (found := _HOST.fullmatch(entry)) is None:
                raise ValueError(
                    f"{entry!r} is neither loopback, private, an address, a network such as 10.2.0.0/16,"
                    " a host such as pypi.example.com:8080, nor .example.com for all hosts below it."
                )
            elif found["port"]:
                places.add((_plain(found["host"]), int(found["port"])))
            else:
                hosts.add(entry)
        for url in named:
            places |= _places_of(url)
        return cls(frozenset(words), tuple(networks), frozenset(hosts), frozenset(places))

    def addresses(self, host: str, port: int) -> list[str]:
        """Look a host up once, and return those of its addresses that may be connected to.

        Raises AddressRefused where there are none, OSError where the host is unknown.
        """
        found = list(self.look_up(host, port))
        if self._named(host, port):
            return found
        judged = [(text, self._refusal(_address(text))) for text in found]
        allowed = [text for text, kind in judged if not kind]
        if judged and not allowed:
            text, kind = judged[0]
            raise AddressRefused(host, _address(text), kind)
        return allowed

    def check(self, url: str) -> None:
        """Raise AddressRefused for a URL that may not be asked: for a program that makes its own connections.

        A name that is unknown here passes: it leads nowhere, or a proxy knows it. ValueError for what is no URL.
        """
        host, port = _host_and_port(url)
        try:
            self.addresses(host, port)
        except OSError:
            return

    def check_written(self, url: str) -> None:
        """Raise AddressRefused where the address itself stands in the URL; no resolver is asked for a name."""
        host, port = _host_and_port(url)
        try:
            if host != "localhost":
                socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        except OSError:
            return
        self.addresses(host, port)

    def _named(self, host: str, port: int) -> bool:
        name = _plain(host)
        below = (name[at:] for at, letter in enumerate(name) if letter == ".")
        return (name, port) in self.places or not self.hosts.isdisjoint({name, *below})

    def _refusal(self, address: Address) -> str:
        """Return why an address may not be connected to, as a key of `_KINDS`; nothing where it may."""
        if _inside(address, self.networks):
            return ""
        meant = _meant(address)
        kinds = (_kind(one) for one in meant if not _inside(one, self.networks))
        return next((kind for kind in kinds if kind and kind not in self.words), "")


def _kind(address: Address) -> str:
    """Return what sort of address it is, as a key of `_KINDS`; nothing for a public one."""
    if address in _METADATA:
        return "metadata"
    if address.is_link_local:
        return "link-local"
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified or address.is_multicast or _inside(address, (_HERE,)):
        return "special"
    if _inside(address, (_OLD_PRIVATE,)):
        return "private"
    if address.is_reserved:
        return "special"
    return "" if address.is_global else "private"


def _meant(address: Address) -> list[Address]:
    """Return all addresses that a connection to this one may come to: also IPv4 ones that it holds."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64 or (address in _OLD_MAPPED and int(address) > 1):
        return [last]
    held: list[Address | None] = [address, address.sixtofour, *(address.teredo or ())]
    if int(address) >> 32 & 0xFFFFFFFF in (0x5EFE, 0x2005EFE):  # ISATAP
        held.append(last)
    return [one for one in held if one is not None]


def _address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _inside(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _host_and_port(url: str) -> tuple[str, int]:
    """Return host and port of a URL or of host[:port]; ValueError for what programs may read differently."""
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f]", url):
        raise ValueError("An address is written in ASCII, without spaces and backslashes.")
    parts = urlsplit(url if "://" in url else f"//{url}")
    return _plain(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, (443,))[0]


def _places_of(url: str) -> set[tuple[str, int]]:
    parts = urlsplit(url if "://" in url else f"//{url}")
    if not parts.hostname:  # file:///srv/channel
        return set()
    ports = (parts.port,) if parts.port else _PORTS.get(parts.scheme, ())
    return {(_plain(parts.hostname), port) for port in ports}


OWN_MACHINE = Reach(words=WORDS)
"""What a studio reaches that one person runs for themselves: all but what needs to be named."""
