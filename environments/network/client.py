"""HTTP connections within the egress policy, to URLs that members give.

    with checked_client(settings.EGRESS_POLICY, timeout=10) as client:  # an httpx.Client
        client.post(url, json=…)  # raises AddressRefused, or httpx' own errors

A name is resolved once for each request and redirect, and the connection goes to the address that was checked:
a name that resolves to another machine a moment later (DNS rebinding) makes no difference.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.upstream import upstream_proxies, upstream_proxy
from environments.network.urls import UnreadableUrl


def checked_client(
    policy: EgressPolicy, *, refusing: Callable[[AddressRefused], Exception] | None = None, **options: Any
) -> httpx.Client:
    """Return an HTTP client that connects within a policy only; `options` are httpx.Client's own.

    A refusal is raised as AddressRefused, or as the error that `refusing` makes of it. Threads may share the client.
    """
    return httpx.Client(transport=_PolicyTransport(policy, refusing or (lambda refused: refused)), **options)


class _PolicyTransport(httpx.BaseTransport):
    """Connects to a checked address, or through the machine's proxy, which resolves names itself."""

    def __init__(self, policy: EgressPolicy, refusing: Callable[[AddressRefused], Exception]) -> None:
        self._policy = policy
        self._refusing = refusing
        ssl_context = httpx.create_ssl_context()
        self._direct = _DirectTransport(policy, ssl_context)
        self._proxies = {
            scheme: httpx.HTTPTransport(verify=ssl_context, proxy=address)
            for scheme, address in upstream_proxies().items()
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.get(request.url.scheme)
        try:
            if proxy is None or upstream_proxy(request.url.scheme, request.url.netloc.decode()) is None:
                return self._direct.handle_request(request)
            # A name that does not resolve here is the proxy's to judge.
            with suppress(OSError):
                self._policy.check(str(request.url))
            return proxy.handle_request(request)
        except AddressRefused as refused:
            raise self._refusing(refused) from refused
        except UnreadableUrl as error:
            raise httpx.UnsupportedProtocol(str(error), request=request) from error

    def close(self) -> None:
        for transport in (self._direct, *self._proxies.values()):
            transport.close()


class _DirectTransport(httpx.HTTPTransport):
    """httpx' own transport, which checks addresses when it opens a connection."""

    def __init__(self, policy: EgressPolicy, ssl_context: ssl.SSLContext) -> None:
        super().__init__(verify=ssl_context)
        # httpx offers no parameter for the network backend of its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_CheckedBackend(policy),
        )


class _CheckedBackend(httpcore.NetworkBackend):
    """Opens connections to checked addresses."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._backend = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        try:
            addresses = self._policy.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception | None = None
        for address in addresses:
            try:
                return self._backend.connect_tcp(address, port, *args, **kwargs)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None  # noqa: S101 (a host without addresses is unknown)
        raise failure
