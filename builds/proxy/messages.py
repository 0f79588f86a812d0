"""Read, filter and answer HTTP/1.1 requests to a proxy."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import h11

from environments.network.urls import UnreadableUrl, WebUrl, parse_url

HEAD_BYTES = 64 << 10
_HOP_BY_HOP = {
    b"connection",
    b"expect",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}

Headers = list[tuple[bytes, bytes]]


class Refusal(Exception):
    """A request that the proxy answers itself, with a status and the reason as its body."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def basic(user: str, password: str) -> bytes:
    """Return the value of an Authorization header."""
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def basic_of(url: str) -> bytes | None:
    """Return the header's value for the user and password in a URL."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return basic(unquote(parts.username), unquote(parts.password or ""))


def is_authorized(request: h11.Request, expected: bytes) -> bool | None:
    """Return whether a request has the proxy's credentials; None if it has none at all."""
    shown = dict(request.headers).get(b"proxy-authorization")
    return None if shown is None else hmac.compare_digest(shown, expected)


def target_of(request: h11.Request) -> WebUrl:
    """Return what a request leads to. Raises UnreadableUrl or Refusal."""
    text = request.target.decode("ascii", "replace")
    if request.method == b"CONNECT":
        target = parse_url(f"https://{text}")
        if target.login or target.target:
            raise UnreadableUrl("CONNECT names a host and a port.")
        return target
    if request.method not in (b"GET", b"HEAD"):
        raise Refusal(405, "This proxy answers GET, HEAD and CONNECT.")
    target = parse_url(text)
    if target.scheme != "http" or target.login:
        raise UnreadableUrl("A request to a proxy names an http:// address without user and password.")
    return target


def forwarded(request: h11.Request, target: WebUrl, proxy: str | None) -> h11.Request:
    """Return the request to the target, or to the operator's proxy at this URL."""
    path = target.target.partition("#")[0]
    path = path if path.startswith("/") else f"/{path}"
    headers = [(b"Host", target.authority.encode()), *_end_to_end(request.headers, without={b"host"})]
    if proxy is not None:
        path = f"http://{target.authority}{path}"
        headers += _proxy_credentials(proxy)
    headers.append((b"Connection", b"close"))
    return h11.Request(method=request.method, target=path, headers=headers)


def connect(target: WebUrl, proxy: str) -> h11.Request:
    """Return the request for a tunnel through the operator's proxy."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    authority = f"{host}:{target.port}"
    headers = [(b"Host", authority.encode()), *_proxy_credentials(proxy)]
    return h11.Request(method="CONNECT", target=authority, headers=headers)


def returned(response: h11.Response) -> h11.Response:
    """Return the response as the program behind the proxy gets it."""
    names = {name for name, _ in response.headers}
    framing = {b"content-length"} if b"transfer-encoding" in names else set()
    headers = _end_to_end(response.headers, without=framing)
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)


def refused(refusal: Refusal) -> tuple[h11.Response, h11.Data]:
    """Return the proxy's own response."""
    body = f"{refusal.reason}\n".encode()
    headers: Headers = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Connection", b"close"),
    ]
    if refusal.status == 407:
        headers.append((b"Proxy-Authenticate", b'Basic realm="build"'))
    reason = HTTPStatus(refusal.status).phrase.encode()
    return h11.Response(status_code=refusal.status, headers=headers, reason=reason), h11.Data(data=body)


def _proxy_credentials(proxy: str) -> Headers:
    credentials = basic_of(proxy)
    return [] if credentials is None else [(b"Proxy-Authorization", credentials)]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], without: set[bytes]) -> Headers:
    """Return the headers that are not for this connection only."""
    pairs = list(headers)
    named = {
        name.strip().lower() for key, value in pairs if key == b"connection" for name in value.split(b",")
    }
    return [(key, value) for key, value in pairs if key not in _HOP_BY_HOP | named | without]
