"""Open connections for definitions, only to addresses that the egress policy allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import httpx

from builds.imaging.interruptible import interruptible
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.proxy.forward import ForwardProxy
from builds.proxy.limits import LimitReached
from environments.network.client import checked_client
from environments.network.masking import masked
from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.upstream import upstream_proxy
from environments.network.urls import UnreadableUrl, parse_url

Kind = Literal["index", "channel"]
_NAMES = {"index": "package index", "channel": "conda channel"}


def client(reach: EgressPolicy, **options: Any) -> httpx.Client:
    """Return an HTTP client that raises ImageError for an address that the studio does not connect to."""
    try:
        return checked_client(reach, refusing=_address_error, **options)
    except httpx.InvalidURL as error:
        written = masked(str(options.get("base_url", "")))
        raise ImageError(
            "bad-reference", f"{written} is no address that can be asked: {error}.", "Correct the address."
        ) from error


class WayOut:
    """The reporter of a solver that connects through a proxy only: it ends the solver at the proxy's first refusal."""

    def __init__(self, proxy: ForwardProxy, reporter: Reporter) -> None:
        self._proxy = proxy
        self._reporter = reporter

    @property
    def port(self) -> int:
        """The proxy's port on this machine."""
        return self._proxy.port

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return the solver's environment."""
        return self._proxy.environment(env)

    def line(self, text: str) -> None:
        """Add one line to the log."""
        self._reporter.line(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Report how far the step is."""
        self._reporter.progress(done, total, unit)

    def check(self) -> None:
        """Raise what the solver ran into, in the studio's own sentence; or `Cancelled`."""
        self._reporter.check()
        failure = self._proxy.failure
        if isinstance(failure, AddressRefused):
            raise _address_error(failure) from failure
        if isinstance(failure, UnreadableUrl):
            raise _unreadable("an address", failure) from failure
        if isinstance(failure, LimitReached):
            raise ImageError(
                "endless-answer",
                str(failure),
                "Name an index or a channel with fewer packages; or, if a server misbehaves, leave it out.",
            ) from failure
        if failure is not None:
            raise failure


@contextmanager
def way_out(workshop: Workshop, reporter: Reporter) -> Iterator[WayOut]:
    """Open the only way out for a solver; leaving it ends the solver's connections."""
    with ForwardProxy(workshop.reach, spend=workshop.reserve_disk) as proxy:
        yield WayOut(proxy, reporter)


def check(urls: Iterable[str], reach: EgressPolicy, reporter: Reporter, kind: Kind = "index") -> None:
    """Refuse addresses before another program is sent there. Raises ImageError.

    A host that is unknown here is the operator's proxy's to judge, or unreachable.
    """
    for url in urls:
        if re.match("https?:", url, re.IGNORECASE):
            interruptible(partial(_check, url, reach, kind), reporter)


def check_url(url: str) -> None:
    """Refuse the URL of a file that programs read in different ways, or not at all. Raises ImageError."""
    try:
        parse_url(url)
    except UnreadableUrl as error:
        raise _unreadable(masked(url)[:200], error) from error


def a_file_here(url: str) -> ImageError:
    """Return the error for an index or channel that sends the studio to a file of its own machine."""
    return ImageError(
        "address-refused",
        f"{url[:200]} is a file of the studio's machine, which it does not read for a definition.",
        "Take the package from an index or a channel that gives https:// addresses.",
    )


def _check(url: str, reach: EgressPolicy, kind: Kind) -> None:
    try:
        reach.check(url)
    except AddressRefused as refused:
        raise _address_error(refused) from refused
    except UnreadableUrl as error:
        raise ImageError(
            "bad-spec",
            f"{masked(url)[:200]} is no address that can be asked: {error}",
            "Correct the address.",
        ) from error
    except OSError as error:
        parsed = parse_url(url)
        if upstream_proxy(parsed.scheme, parsed.authority) is None:
            raise ImageError(
                f"{kind}-unreachable",
                f"Can't reach the {_NAMES[kind]} {parsed.host} (host name not found).",
                "Check its address and the studio's network, and build again.",
                fault="outside",
                detail=error,
            ) from error


def _unreadable(url: str, error: UnreadableUrl) -> ImageError:
    return ImageError(
        "address-refused",
        f"An index or a channel leads to {url}, which is no address: {error}",
        "Take the package from another index or channel.",
    )


def _address_error(refused: AddressRefused) -> ImageError:
    return ImageError("address-refused", refused.message, refused.help)
