"""The names of a conda channel's packages, from its index, without reading the records of packages.

Big channels publish their index in shards: its table of contents has each name once. Of other channels the whole index
is scanned as it arrives, up to a limit. Both are foreign data of any size: nothing is parsed, and nothing is kept but
names.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import zstandard
from django.conf import settings

from environments.network.client import checked_client
from environments.network.credentials import Logins
from environments.network.deadlines import Deadlines
from environments.network.policy import AddressRefused

KEPT_SECONDS, FAILURE_SECONDS = 1800.0, 60.0
MOST_CHANNELS = 30
MOST_ARRIVING = 30_000_000  # bytes
MOST_BYTES = 120_000_000  # unpacked
MOST_NAMES = 200_000
DEADLINE_SECONDS = 40.0
_LONGEST_NAME = 128
_WINDOW = 1 << 27
_RECORD = re.compile(rb'"name"\s{0,8}:\s{0,8}"([A-Za-z0-9_.-]{1,128})"')
_SHARD = re.compile(rb"([\xa1-\xbf]|\xd9.)([a-z0-9_.-]{1,128})\xc4\x20", re.DOTALL)

Names = frozenset[str]
Scan = Callable[[bytes], Iterator[str]]


class Unknown(Exception):
    """The channel's names can't be had: it doesn't answer, refuses, or has more than is read."""


class ChannelNames:
    """Names by channel and platform, read once at a time and kept for a while."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Names | None]] = {}
        self._lock = threading.Lock()

    def of(self, channel: str, subdir: str, logins: Logins) -> Names | None:
        """Return the names of a channel's packages for a platform; None if unknown. Waits for the channel."""
        login = logins.find("channel", channel)
        key = f"{logins.mark if login else ''} {channel}/{subdir}"
        with self._lock:  # of several packages of one channel, the first fetches for all
            until, names = self._kept.get(key, (0.0, None))
            if time.monotonic() < until:
                return names
            try:
                names = _names(f"{channel}/{subdir}", login.header if login else "")
            except (Unknown, httpx.HTTPError, httpx.InvalidURL, AddressRefused, OSError, zstandard.ZstdError):
                names = None
            while len(self._kept) >= MOST_CHANNELS:
                del self._kept[next(iter(self._kept))]
            seconds = FAILURE_SECONDS if names is None else KEPT_SECONDS
            self._kept[key] = (time.monotonic() + seconds, names)
            return names

    def forget(self) -> None:
        """Forget all names."""
        with self._lock:
            self._kept.clear()


channel_names = ChannelNames()


def _names(url: str, proof: str) -> Names:
    deadlines = Deadlines(head=DEADLINE_SECONDS, whole=DEADLINE_SECONDS)
    headers = {"Authorization": proof} if proof else {}
    with checked_client(
        settings.EGRESS_POLICY, deadlines=deadlines, timeout=10, follow_redirects=True, headers=headers
    ) as client:
        for file, scan in (
            ("repodata_shards.msgpack.zst", _of_shards),
            ("repodata.json.zst", _of_records),
            ("repodata.json", _of_records),
        ):
            with client.stream("GET", f"{url}/{file}") as response:
                if response.status_code in (403, 404):
                    continue  # some stores answer 403 for a file that is not there
                if response.status_code != 200:
                    break
                return _scanned(_unpacked(response, packed=file.endswith(".zst")), scan)
    raise Unknown(url)


def _unpacked(response: httpx.Response, *, packed: bool) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    arrived = unpacked = 0
    for part in response.iter_bytes():
        arrived += len(part)
        content = unpacker.decompress(part) if packed else part
        unpacked += len(content)
        if arrived > MOST_ARRIVING or unpacked > MOST_BYTES:
            raise Unknown("larger than what is read")
        yield content


def _scanned(parts: Iterator[bytes], scan: Scan) -> Names:
    names: set[str] = set()
    rest = b""
    for part in parts:
        names.update(scan(rest + part))
        if len(names) > MOST_NAMES:
            raise Unknown("more names than are read")
        rest = (rest + part)[-2 * _LONGEST_NAME :]
    return frozenset(names)


def _of_records(content: bytes) -> Iterator[str]:
    return (match[1].decode().lower() for match in _RECORD.finditer(content))


def _of_shards(content: bytes) -> Iterator[str]:
    for match in _SHARD.finditer(content):
        mark = match[1]
        if (mark[1] if len(mark) > 1 else mark[0] & 0x1F) == len(match[2]):
            yield match[2].decode()
