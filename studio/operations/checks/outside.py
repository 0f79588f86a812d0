"""Checks of what builds need from outside: engine, registries, package index, channels."""

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from smtplib import SMTPException
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
from django.conf import settings
from django.core.mail import get_connection

from builds.engine.connection import Engine
from builds.engine.gateway.network import NONE, unconfined
from builds.imaging.pip.indexes import indexes_of
from builds.imaging.reporting import ImageError
from environments.network.client import timed_client
from environments.network.deadlines import Deadlines
from environments.notifications.notices import mail_is_set_up
from studio.operations.finding import Finding, ok, warning, wrong
from studio.operations.readiness import first_line

ANSWER_SECONDS = 5.0
ANSWERS = (200, 401, 403, 404)  # a server that requests a password, or has nothing by that name, does answer
CONDA_FORGE = "https://conda.anaconda.org/conda-forge"


def engine() -> Iterator[Finding]:
    """Check that a Docker Engine answers; most builds need none."""
    try:
        with Engine.at(settings.DOCKER_HOST) as connection:
            yield ok("engine", f"Docker Engine {connection.version} answers at {settings.DOCKER_HOST}.")
            if connection.loses_contexts():
                yield warning(
                    "engine",
                    "Dockerfiles that need BuildKit cannot be built: with its images in containerd's store, Docker "
                    f"Engine {connection.version} does not give BuildKit the files.",
                    "Install Docker Engine 27.5 or newer, or set containerd-snapshotter to false among the features "
                    "in its daemon.json.",
                )
            yield _network_of_code(connection)
    except ImageError:
        yield warning(
            "engine",
            f"None answers at {settings.DOCKER_HOST}: Dockerfiles, and packages that come as source alone, cannot "
            "be built. Everything else can.",
            "Start Docker, or set DOCKER_HOST to where it listens.",
        )


def _network_of_code(engine: Engine) -> Finding:
    if reason := unconfined(engine):
        level = wrong if settings.REQUIRE_CONFINEMENT else warning
        return level(
            "engine",
            f"Code in containers (sources of packages, RUN) is not confined to the studio's proxy. {reason}",
            "Leave STUDIO_BUILD_NETWORK unset, and run workers on the engine's kind of machine.",
        )
    if settings.BUILD_NETWORK == NONE:
        return ok("engine", "Code in containers has no network.")
    more = "has no network" if settings.REQUIRE_CONFINEMENT else "reaches what the engine's network allows"
    return ok(
        "engine", f"Code in containers reaches the studio's proxy only; RUN that needs BuildKit {more}."
    )


def mail() -> Iterator[Finding]:
    """Check that the mail server takes mails from the studio; without one, none are sent."""
    if not mail_is_set_up():
        yield ok("mail", "No mail server is named: notifications appear in the studio only.")
        return
    try:
        with get_connection():
            yield ok("mail", f"The mail server at {settings.EMAIL_HOST}:{settings.EMAIL_PORT} takes mails.")
    except (SMTPException, OSError) as error:
        yield wrong(
            "mail",
            f"The mail server at {settings.EMAIL_HOST}:{settings.EMAIL_PORT} does not take mails: {first_line(error)}",
            "Start it, or correct STUDIO_MAIL_SERVER. What waits is tried again for about a day.",
        )


def mirrors() -> Iterator[Finding]:
    """Check that each registry mirror answers."""
    for registry, address in settings.REGISTRY_MIRRORS.items():
        url = f"{address if '://' in address else _scheme(address) + address}".rstrip("/")
        problem = ask(f"{url}/v2/")
        if problem:
            yield wrong(
                "mirrors",
                f"The mirror of {registry} at {shown(url)} does not answer: {problem}",
                "Start it, or correct STUDIO_REGISTRY_MIRRORS.",
            )
        else:
            yield ok("mirrors", f"The mirror of {registry} at {shown(url)} answers.")


def _scheme(address: str) -> str:
    """Return how builds reach a mirror that says nothing of it: plain HTTP on this machine only."""
    host = urlsplit(f"//{address}").hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return "http://" if local else "https://"


def index() -> Iterator[Finding]:
    """Check that the package index answers."""
    main = indexes_of([], settings.INDEX_URL, os.environ)[1].main
    problem = ask(f"{main.rstrip('/')}/pip/")
    if problem:
        yield wrong(
            "index",
            f"The package index {shown(main)} does not answer: {problem}",
            "Reach it from this machine (HTTPS_PROXY, SSL_CERT_FILE), or set STUDIO_INDEX_URL to another.",
        )
    else:
        yield ok("index", f"The package index {shown(main)} answers.")


def channels() -> Iterator[Finding]:
    """Check that conda channels answer: the configured mirrors, else conda-forge."""
    addresses = settings.CHANNEL_MIRRORS or {"conda-forge": CONDA_FORGE}
    for channel, address in addresses.items():
        url = f"{address.rstrip('/')}/noarch/repodata.json"
        problem = ask(url)
        if not problem:
            yield ok("channels", f"The channel {channel} at {shown(address)} answers.")
            continue
        tell = wrong if settings.CHANNEL_MIRRORS else warning
        yield tell(
            "channels",
            f"The channel {channel} at {shown(address)} does not answer: {problem}",
            "Definitions with conda packages cannot be built. Reach it, or set STUDIO_CHANNEL_MIRRORS.",
        )


def ask(url: str) -> str:
    """Return why nothing answers there, or nothing. What answers is not read."""
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        return "" if path.exists() or path.with_suffix(".json.zst").exists() else f"{path} is not there"
    try:
        deadlines = Deadlines(head=ANSWER_SECONDS, whole=ANSWER_SECONDS)
        with (
            timed_client(deadlines, timeout=ANSWER_SECONDS, follow_redirects=True) as client,
            client.stream("GET", url) as answer,
        ):
            return "" if answer.status_code in ANSWERS else f"it answers {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return first_line(error) or type(error).__name__


def shown(url: str) -> str:
    """Return a URL without the password in it (rule 44)."""
    parts = urlsplit(url)
    return url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else url
