"""The absolute URLs of this studio: links in answers, mails and snippets, and the names that its images are pulled by.

With STUDIO_URL set they all begin with it, however a request came. Without it they begin as the request did: `Host` is
one of ALLOWED_HOSTS, and the scheme is the connection's, or that which a trusted proxy names. `X-Forwarded-Host` is
never read.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.encoding import iri_to_uri


def base_url(request: HttpRequest | None = None) -> str:
    """Return the beginning of the studio's URLs, without a slash at its end: https://studio.example.com.

    Without a request (a mail, a command) and without STUDIO_URL, it is the address on this machine.
    """
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    if request is None:
        return f"http://localhost:{settings.PORT}"
    return f"{request.scheme}://{request.get_host()}"


def absolute_url(path: str, request: HttpRequest | None = None) -> str:
    """Return the URL of a path of this studio, which begins with a slash; a query may follow."""
    return f"{base_url(request)}{iri_to_uri(path)}"


def public_host(request: HttpRequest | None = None) -> str:
    """Return the studio's host, with a port unless it is the usual one: a registry's name to `docker pull` from."""
    return base_url(request).partition("://")[2]


def secure_base_url(request: HttpRequest | None = None) -> str:
    """Return the base of the studio's HTTPS URLs; empty if it has none that it knows of."""
    base = base_url(request)
    if base.startswith("https://"):
        return base
    if settings.PUBLIC_URL or not settings.SERVES_HTTPS:
        return ""
    host = urlsplit(base).hostname or "localhost"
    return f"https://{f'[{host}]' if ':' in host else host}:{settings.HTTPS_PORT}"


def registry_hosts() -> set[str]:
    """Return the hosts that mean this studio's own registry in the name of a base image."""
    names = settings.ALLOWED_HOSTS
    ports = [settings.PORT, *([settings.HTTPS_PORT] if settings.SERVES_HTTPS else [])]
    hosts = {f"{host}:{port}" for host in ("localhost", "127.0.0.1", settings.HOST, *names) for port in ports}
    hosts |= {host for host in names if "." in host.strip(".*") and not host[0].isdigit()}
    return hosts | ({public_host()} if settings.PUBLIC_URL else set())
