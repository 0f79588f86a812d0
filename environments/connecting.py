"""Connecting where members may have the studio connect, and nowhere else.

    with checked_client(settings.REACH, timeout=10) as client:  # an httpx.Client
        client.post(url, json=…)  # raises AddressRefused, or httpx' own errors

A name is looked up once, and the connection made to the very address that was judged, for each redirect anew.
A name that means another machine a moment later leads nowhere else.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from environments.reach import AddressRefused, Reach


def checked_client(
    reach: Reach, *, refusing: Callable[[AddressRefused], Exception] | None = None, **options: Any
) -> httpx.Client:
    """Return an HTTP client that connects within `reach` only; `options` are httpx.Client's own.

    What it refuses is raised as AddressRefused, or as what `refusing` makes of it. Threads may share it.
    """
    return httpx.Client(transport=_Checked(reach, refusing or (lambda refused: refused)), **options)


class _Checked(httpx.BaseTransport):
    """Connects directly to what was judged, or through the machine's proxy, which looks names up by itself."""

    def __init__(self, reach: Reach, refusing: Callable[[AddressRefused], Exception]) -> None:
        self._reach = reach
        self._refusing = refusing
        trusted = httpx.create_ssl_context()
        self._direct = _Direct(reach, trusted)
        proxies = getproxies()
        self._proxies = {
            scheme: httpx.HTTPTransport(
                verify=trusted, proxy=address if "://" in address else f"http://{address}"
            )
            for scheme in ("http", "https")
            if (address := proxies.get(scheme) or proxies.get("all"))
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.get(request.url.scheme)
        try:
            if proxy is None or proxy_bypass(request.url.netloc.decode()):
                return self._direct.handle_request(request)
            self._reach.check(str(request.url))
            return proxy.handle_request(request)
        except AddressRefused as refused:
            raise self._refusing(refused) from refused

    def close(self) -> None:
        for transport in (self._direct, *self._proxies.values()):
            transport.close()


class _Direct(httpx.HTTPTransport):
    """httpx' own transport, with another way to open a connection."""

    def __init__(self, reach: Reach, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        # httpx hands no such thing on to its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Connecting(reach),
        )


class _Connecting(httpcore.NetworkBackend):
    """Opens connections to addresses that were judged."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._opens = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        try:
            addresses = self._reach.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return self._opens.connect_tcp(address, port, *args, **kwargs)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
