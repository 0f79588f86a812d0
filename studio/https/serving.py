"""The certificate that the studio serves: its own, or that of the settings; a renewed one is loaded while it runs."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import certifi
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from environments.public_url import public_host
from studio.configuration import host_of
from studio.https.authority import PUBLIC, ensure_certificate, write_whole

CHECK_SECONDS = 3600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate; with the studio's own, those that its clients trust it by."""

    file: Path
    key: Path | None = None  # in the same file where there is none
    authority: Path | None = None  # the authority's certificate
    trusted: Path | None = None  # with the public authorities: for variables that replace these


def certificate(now: datetime | None = None) -> Certificate:
    """Return the certificate to serve, made or renewed where it is the studio's own."""
    if settings.CERTIFICATE:
        key = Path(settings.CERTIFICATE_KEY) if settings.CERTIFICATE_KEY else None
        return Certificate(Path(settings.CERTIFICATE), key)
    files = ensure_certificate(own_folder(), own_names(), now)
    trusted = files.folder / "trusted.pem"
    authority = files.authority.read_bytes()
    write_whole(trusted, _usual_authorities(trusted).rstrip() + b"\n\n" + authority, PUBLIC)
    return Certificate(files.certificate, None, files.authority, trusted)


def own_folder() -> Path:
    """Return the folder of the studio's own certificate."""
    return Path(settings.VAR) / "https"


def own_names() -> list[str]:
    """Return the names that the studio answers to, and this machine's."""
    public = [host_of(f"//{public_host()}")]
    names = ["localhost", "127.0.0.1", "::1", settings.HOST, *settings.ALLOWED_HOSTS, *public]
    return [*(name for name in names if name not in ("0.0.0.0", "::", "*")), socket.gethostname()]  # noqa: S104


def _usual_authorities(trusted: Path) -> bytes:
    """Return the certificates that clients on this machine trust: those that OpenSSL uses, else Mozilla's.

    SSL_CERT_FILE may name the file that this becomes a part of.
    """
    usual = ssl.get_default_verify_paths()
    for file in (usual.cafile, usual.openssl_cafile, certifi.where()):
        if file and Path(file).is_file() and Path(file).resolve() != trusted.resolve():
            return Path(file).read_bytes()
    return b""


def server_context(current: Certificate) -> ssl.SSLContext:
    """Return a server's TLS context. Raises ImproperlyConfigured for a certificate that cannot be served."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password: without it, OpenSSL would wait for someone to type one.
        context.load_cert_chain(current.file, current.key, password="")
    except (OSError, ValueError) as error:
        names = " and ".join(str(file) for file in (current.file, current.key) if file)
        pair = (
            "it holds no certificate with its key"
            if current.key is None
            else "they are no certificate and its key"
        )
        reason = (
            error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else pair
        )
        raise ImproperlyConfigured(
            f"HTTPS cannot be served with {names}: {reason}. STUDIO_CERTIFICATE names a PEM file with the certificate "
            "and the chain above it, STUDIO_CERTIFICATE_KEY a file with its key, without a password."
        ) from error
    return context


def renew_while_running(
    context: ssl.SSLContext,
    ended: threading.Event,
    every: float = CHECK_SECONDS,
    now: Callable[[], datetime | None] = lambda: None,
) -> None:
    """Renew the studio's own certificate when it is due, and serve what has changed; return once `ended` is set.

    Handshakes take the new certificate from a context of its own. Loaded into the context that is served, it is there
    for a moment without its key: a handshake in that moment fails, or never ends.
    """
    seen = None
    while not ended.wait(every):
        try:
            current = certificate(now())
            state = _state(current)
            if state != seen:
                context.sni_callback = _taking(server_context(current))
                seen = state
        except (OSError, ValueError, ImproperlyConfigured) as error:
            log.warning("The certificate could not be renewed, the previous one is served: %s", error)


def _taking(
    other: ssl.SSLContext,
) -> Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """Return what has a handshake go on with another context, whether the client names the server or not."""

    def take(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _before: ssl.SSLContext) -> None:
        connection.context = other

    return take


def _state(current: Certificate) -> list[tuple[int, int]]:
    files = [file.stat() for file in (current.file, current.key) if file]
    return [(file.st_mtime_ns, file.st_ino) for file in files]
