"""HTTP connections within the egress policy, to URLs that members give.

    with checked_client(settings.EGRESS_POLICY, timeout=10) as client:  # an httpx.Client
        client.post(url, json=…)  # raises AddressRefused, or httpx' own errors

A name is resolved once for each request and redirect, and the connection goes to the address that was checked:
a name that resolves to another machine a moment later (DNS rebinding) makes no difference. An answer that trickles is
ended by deadlines (`environments.network.deadlines`).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from environments.network.deadlines import Deadlines, TimedBackend, TimedTransport
from environments.network.look_up import resolve_host
from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.upstream import upstream_proxies, upstream_proxy
from environments.network.urls import UnreadableUrl


def checked_client(
    policy: EgressPolicy,
    *,
    refusing: Callable[[AddressRefused], Exception] | None = None,
    deadlines: Deadlines | None = None,
    **options: Any,
) -> httpx.Client:
    """Return an HTTP client that connects within a policy only; `options` are httpx.Client's own.

    A refusal is raised as AddressRefused, or as the error that `refusing` makes of it. An answer that is not there
    within the deadlines, by default the policy's own, is an httpx.ReadTimeout. Threads may share the client.
    """
    transport = _PolicyTransport(policy, refusing or (lambda refused: refused))
    return httpx.Client(transport=TimedTransport(transport, deadlines or policy.deadlines), **options)


def timed_client(deadlines: Deadlines, **options: Any) -> httpx.Client:
    """Return an HTTP client with deadlines for servers that the operator names: it connects to any address."""
    return httpx.Client(transport=TimedTransport(_Transport(resolve_host), deadlines), **options)


def trusted() -> ssl.SSLContext:
    """Return a context with the certificates this machine trusts; clients and threads may share it.

    Its certificates are read when they change: to read them takes 25 ms, which each client would pay.
    """
    file, folder = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    path = file or folder
    return _trusted(file, folder, os.stat(path).st_mtime_ns if path else 0)


@lru_cache(maxsize=2)
def _trusted(file: str, folder: str, changed_ns: int) -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _Transport(httpx.BaseTransport):
    """Connects to the addresses of a host, or through the machine's proxy."""

    def __init__(self, addresses: Callable[[str, int], Iterable[str]]) -> None:
        ssl_context = trusted()
        self._direct = _Pooled(ssl_context, TimedBackend(addresses))
        self._proxies = {
            scheme: _Pooled(ssl_context, TimedBackend(resolve_host), address)
            for scheme, address in upstream_proxies().items()
        }

    def proxy(self, request: httpx.Request) -> httpx.BaseTransport | None:
        """Return the way through the machine's proxy, if the request takes it."""
        proxy = self._proxies.get(request.url.scheme)
        if proxy is None or upstream_proxy(request.url.scheme, request.url.netloc.decode()) is None:
            return None
        return proxy

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return (self.proxy(request) or self._direct).handle_request(request)

    def close(self) -> None:
        for transport in (self._direct, *self._proxies.values()):
            transport.close()


class _PolicyTransport(_Transport):
    """Connects to a checked address, or through the machine's proxy, which resolves names itself."""

    def __init__(self, policy: EgressPolicy, refusing: Callable[[AddressRefused], Exception]) -> None:
        super().__init__(policy.addresses)
        self._policy = policy
        self._refusing = refusing

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            if self.proxy(request) is not None:
                # A name that does not resolve here is the proxy's to judge.
                with suppress(OSError):
                    self._policy.check(str(request.url))
            return super().handle_request(request)
        except AddressRefused as refused:
            raise self._refusing(refused) from refused
        except UnreadableUrl as error:
            raise httpx.UnsupportedProtocol(str(error), request=request) from error


class _Pooled(httpx.HTTPTransport):
    """httpx' own transport, with another way to open connections."""

    def __init__(
        self, ssl_context: ssl.SSLContext, backend: httpcore.NetworkBackend, proxy: str | None = None
    ) -> None:
        super().__init__(verify=ssl_context, proxy=proxy)
        # httpx offers no parameter for the network backend of its pool.
        self._pool._network_backend = backend
