"""Conda channels: the URLs of their names, and their mirrors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.network.masking import masked
from environments.network.urls import UnreadableUrl, parse_url

ALIAS = "https://conda.anaconda.org"
USUAL = "conda-forge"
_DEFAULTS = f"{ALIAS}/defaults"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)*")
_SUBDIR = re.compile(r"/(?:noarch|linux-[a-z0-9]+|osx-[a-z0-9]+|win-[a-z0-9]+)$")
_QUALIFIED = re.compile(r"^(?P<channel>[^\[\]=<>!\s]+)::(?P<rest>.+)$", re.DOTALL)
_AT_ADDRESS = re.compile(r"^(?P<channel>[a-z]+:.+)::(?P<rest>.+)$", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of one definition, in order of priority, by their names in the lock."""

    urls: tuple[str, ...]
    mirrors: Mapping[str, str]

    def effective_urls(self) -> list[str]:
        """Return the URLs that are queried, in order: mirrors for channels that have one."""
        return [self.mirrored(url) for url in self.urls]

    def mirrored(self, url: str) -> str:
        """Return the URL at the mirror, if the channel has one."""
        return _moved(url, self.mirrors)

    def official(self, url: str) -> str:
        """Return the URL of a file of a mirror in the form that the lock records."""
        ours = {mirror: channel for channel, mirror in self.mirrors.items() if channel in self.urls}
        return _moved(url, ours)

    def spec(self, text: str) -> str:
        """Return a match specification whose own channel is replaced by its mirror."""
        channel, rest = qualified(text)
        return f"{self.mirrored(_meant(channel, self.mirrors))}::{rest}" if channel else rest


def channels_of(
    written: Sequence[str],
    specs: Sequence[str],
    mirrors: Mapping[str, str],
    reporter: Reporter,
    *,
    folders: bool = True,
) -> Channels:
    """Return the channels to ask, those that a specification names for itself last.

    `defaults` has commercial terms: conda-forge stands in for it, unless a mirror of it is set. A channel that
    is a folder of the studio's machine is asked only if `folders` may be.
    """
    by_url = _by_url(mirrors)
    named = [channel for spec in specs if (channel := qualified(spec)[0])]
    urls: list[str] = []
    for name in [*(written or [USUAL]), *named]:
        if name == "nodefaults":
            continue
        url = _meant(name, by_url)
        if url.startswith("file:") and not folders and url not in by_url.values():
            raise _folder(name)
        if url not in urls:
            urls.append(url)
    if _DEFAULTS not in by_url and any(channel_url(name) == _DEFAULTS for name in [*written, *named]):
        reporter.line(
            "The channel “defaults” has commercial terms: conda-forge is asked in its place."
            " A studio that may use it sets STUDIO_CHANNEL_MIRRORS=defaults=<address>."
        )
    return Channels(tuple(urls) or (channel_url(USUAL),), by_url)


def proofs(channels: Sequence[str], workshop: Workshop) -> list[tuple[str, str, str]]:
    """Return (host, path, header) for those of the channels to which the workspace has a connection."""
    credentials = []
    for url in channels:
        login = workshop.login("channel", url)
        if login is None:
            continue
        parts = urlsplit(url)
        for other in channels:
            # The solver's requests differ in host and path alone.
            there = urlsplit(other)
            same = (there.scheme, there.netloc) == (parts.scheme, parts.netloc)
            if (
                there.hostname == parts.hostname
                and not same
                and f"{there.path}/".startswith(f"{parts.path}/")
            ):
                raise ImageError(
                    "channel-refused",
                    f"The channels {url} and {other} differ in nothing but their port or scheme, so that the"
                    " password of one would be sent to the other.",
                    "Leave one of them out.",
                )
        credentials.append((parts.hostname or "", parts.path, login.header))
    return sorted(credentials, key=lambda item: -len(item[1]))  # the most particular first


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """Return where something of a channel is really found, given the mirrors as the settings have them."""
    return _moved(url, _by_url(mirrors))


def channel_url(name: str) -> str:
    """Return the address of a channel without a slash at its end: a plain name is one of Anaconda's site."""
    name = name.strip().rstrip("/")
    if "://" in name:
        return _SUBDIR.sub("", _address(name))
    if _NAME.fullmatch(name) is None:
        raise _senseless(name)
    return f"{ALIAS}/{_SUBDIR.sub('', name)}"


def qualified(spec: str) -> tuple[str, str]:
    """Return the channel prefix of a specification (empty for none), and the rest."""
    match = _QUALIFIED.match(spec.strip()) or _AT_ADDRESS.match(spec.strip())
    if match is None:
        return "", spec
    return match["channel"], match["rest"]


def _meant(name: str, by_url: Mapping[str, str]) -> str:
    """Return the address of the channel that a name means here; `defaults` has none but its mirror's."""
    url = channel_url(name)
    return by_url.get(url, channel_url(USUAL)) if url == _DEFAULTS else url


def _by_url(mirrors: Mapping[str, str]) -> dict[str, str]:
    return {channel_url(name): _address(mirror) for name, mirror in mirrors.items()}


def _address(text: str) -> str:
    text = text.strip().rstrip("/")
    if not text.isprintable():
        raise _senseless(text)
    parts = urlsplit(text)
    if parts.username or parts.password or re.match(r"^/t/[^/]+/", parts.path):
        raise ImageError(
            "bad-spec",
            f"The channel {masked(text).partition('/t/')[0]} has a password in its address.",
            "Remove it: anyone who reads the definition could use it.",
        )
    if parts.scheme == "file":
        return text
    try:
        parse_url(text)
    except UnreadableUrl as error:
        raise _senseless(text, f" {error}") from error
    return text


def _moved(url: str, mirrors: Mapping[str, str]) -> str:
    for here, there in mirrors.items():
        if url.rstrip("/") == here or url.startswith(f"{here}/"):
            return there + url[len(here) :].rstrip("/")
    return url.rstrip("/")


def _folder(name: str) -> ImageError:
    return ImageError(
        "bad-spec",
        f"The channel {name[:200]} is a folder of the studio's machine, which this studio does not read.",
        "Name a channel at an https:// address; or ask an admin to set STUDIO_ALLOW_FILE_CHANNELS=true.",
    )


def _senseless(name: str, why: str = "") -> ImageError:
    return ImageError(
        "bad-spec",
        f"“{masked(name)[:200]}” is no conda channel that can be asked.{why}",
        "Write a name, such as conda-forge, or an address that begins with https:// or file://.",
    )
