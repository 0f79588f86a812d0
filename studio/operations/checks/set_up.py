"""Checks of the settings and the broker."""

import os
from collections.abc import Iterator

from django.conf import settings
from kombu.exceptions import KombuError, OperationalError

from builds.confinement.confine import is_read_by_all, support
from studio.celery import app
from studio.operations.finding import Finding, ok, warning, wrong
from studio.operations.readiness import first_line

LOCAL = {"localhost", "127.0.0.1", "[::1]"}
LONG_ENOUGH = 32


def settings_() -> Iterator[Finding]:
    """Report settings that suit a trial but not a shared studio."""
    any_problem = False
    for message, help in _doubts():
        any_problem = True
        yield warning("settings", message, help)
    if not any_problem:
        yield ok("settings", "Nothing in them stands out.")


def confinement() -> Iterator[Finding]:
    """Report whether this machine can confine the processes that read packages."""
    missing = support().missing
    if not missing:
        yield ok("confinement", "Files, network and system calls of installers and solvers can be confined.")
        return
    help = "Run workers on Linux 6.7 or newer, in containers whose engine allows Landlock (Docker Engine 23)."
    level = wrong if settings.REQUIRE_CONFINEMENT else warning
    for sentence in missing:
        yield level("confinement", f"This machine cannot confine everything. {sentence}", help)


def signing() -> Iterator[Finding]:
    """Check that only workers can read the signing key: not other users, nor the processes that read packages."""
    file = settings.SIGNING_KEY_FILE
    try:
        mode = file.stat().st_mode
    except OSError as error:
        if settings.SIGNING_KEY_IS_MADE:
            yield ok("signing key", "A worker makes it with its first build.")
        else:
            yield wrong(
                "signing key", f"{file} cannot be read: {error.strerror}.", "Set STUDIO_SIGNING_KEY_FILE."
            )
        return
    if mode & 0o077:
        yield warning(
            "signing key", f"Other users of this machine can read {file}.", f"Run  chmod 600 {file}"
        )
    if is_read_by_all(file):
        yield warning(
            "signing key",
            f"Confined processes, which read foreign packages, can read {file}.",
            "Keep it outside of /opt and /usr, and outside of the Python that the studio runs on.",
        )
    elif not mode & 0o077:
        yield ok("signing key", f"Only workers read {file}.")


def _doubts() -> Iterator[tuple[str, str]]:
    names = [name for name in settings.ALLOWED_HOSTS if name not in LOCAL]
    if settings.DEBUG:
        yield "DEBUG is on: errors show the studio's inside to anyone.", "Unset DEBUG."
    if len(settings.SECRET_KEY) < LONG_ENOUGH:
        yield (
            f"SECRET_KEY has only {len(settings.SECRET_KEY)} characters: sessions can be forged by guessing it.",
            'Make one with  python -c "import secrets; print(secrets.token_urlsafe(50))"',
        )
    if "*" in names:
        yield "ALLOWED_HOSTS lets every name through.", "Set it to the names that people use."
    if names and not settings.SECURE_COOKIES:
        yield (
            f"The studio is reached as {', '.join(names)}, but STUDIO_HTTPS is off: cookies travel in the clear.",
            "Put a proxy that speaks HTTPS before it, and set STUDIO_HTTPS=true.",
        )
    if not settings.EMBEDDED and settings.CELERY_BROKER_URL.startswith("filesystem:"):
        yield (
            "The database is a server, but the broker is a folder: workers elsewhere find builds only by looking, "
            f"every {settings.RECONCILE_SECONDS:g} seconds.",
            "Set CELERY_BROKER_URL to Redis or RabbitMQ.",
        )


def broker() -> Iterator[Finding]:
    """Check that messages can be sent. Without them builds still come, some seconds later."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        folder = settings.VAR / "broker"
        if os.access(folder, os.W_OK):
            yield ok("broker", f"The folder {folder} can be written.")
        else:
            yield wrong("broker", f"The folder {folder} cannot be written.", "Give it to the studio's user.")
        return
    with app.connection_for_write() as connection:
        where = connection.as_uri()  # without the password
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        except (OSError, KombuError, OperationalError) as error:
            yield wrong(
                "broker",
                f"{where} does not answer: {first_line(error)}",
                "Start it, or correct CELERY_BROKER_URL. Until then builds begin only when a worker looks.",
            )
        else:
            yield ok("broker", f"{where} answers.")
