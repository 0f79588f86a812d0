"""The operator's own proxy (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`)."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass


def upstream_proxies() -> dict[str, str]:
    """Return the URLs of the operator's proxies by the scheme of the requests that they take."""
    proxies = getproxies()
    return {
        scheme: address if "://" in address else f"http://{address}"
        for scheme in ("http", "https")
        if (address := proxies.get(scheme) or proxies.get("all"))
    }


def upstream_proxy(scheme: str, authority: str) -> str | None:
    """Return the URL of the proxy for requests to host[:port]; None for a direct connection."""
    proxy = upstream_proxies().get(scheme)
    return None if proxy is None or proxy_bypass(authority) else proxy
