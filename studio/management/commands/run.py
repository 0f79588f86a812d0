"""`manage.py run`: the whole studio on one machine, until Ctrl-C."""

import os
import signal
import socket
import ssl
import threading
import warnings
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any

import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from builds.worker.reconciler import release_builds_of, release_builds_of_dead_workers
from environments.errors import ServiceError
from environments.public_url import secure_base_url
from studio.asgi import application
from studio.celery import app as celery
from studio.https.serving import Certificate, certificate, own_folder, renew_while_running, server_context
from studio.https.variables import sdk_v1_variables, sdk_v2_variables, trust_variables
from studio.management.base import StudioCommand
from studio.management.processes import Child, end
from studio.preparation import Prepared, login_path, prepare

END_WITHIN_SECONDS = 5.0  # of the 8 that a person has patience for
LOOK_EVERY_SECONDS = 0.5


class Command(StudioCommand):
    """Run web and worker side by side, and restart a process that dies."""

    help = "Run the studio: web server and worker, until Ctrl-C."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the ports and the address to listen on."""
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument(
            "--https", action="store_true", help="serve HTTPS too, with a certificate of its own"
        )
        parser.add_argument("--https-port", type=int, default=settings.HTTPS_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, start, say where it is, and wait."""
        listener = listen(options["host"], options["port"])
        secure = listen_securely(options["host"], options["https_port"]) if options["https"] else None
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        try:
            prepared = prepare()
        except ServiceError as error:
            raise CommandError(f"{error.message} {error.help}") from error
        if settings.EMBEDDED:  # with others beside it, a machine is not known by its name alone
            release_builds_of_dead_workers(socket.gethostname())
        children = [web(listener), worker(), *([secure.child()] if secure else [])]
        for child in children:
            child.start()
        try:
            self.say_where(listener, prepared, secure)
            self.watch(children, stop)
        finally:
            self.stdout.write("Stopping …")
            end(children, END_WITHIN_SECONDS)
            release_builds_of(worker_of(children[1]), died=False)
            self.stdout.write("Stopped. What was being built goes on at the next start.")

    def say_where(self, listener: socket.socket, prepared: Prepared, secure: "Secure | None") -> None:
        """Print the addresses, the login link, and what clients need for HTTPS."""
        address = f"http://{shown(listener)}"
        both = f" and https://{shown(secure.listener)}" if secure else ""
        self.stdout.write(
            f"\n  The studio is at {address}{both}\n"
            f"  Sign in once as {prepared.admin}: {address}{login_path(prepared.admin)}\n"
            f"  {prepared.curated} curated environments, data in {settings.VAR}. Ctrl-C stops it.\n\n"
        )
        if secure:
            self.stdout.write(secure.advice())
        self.stdout.flush()

    def watch(self, children: list[Child], stop: threading.Event) -> None:
        """Bring back a child that died; return when the studio should stop."""
        while not stop.wait(LOOK_EVERY_SECONDS):
            for child in children:
                if child.alive:
                    continue
                code = child.process.exitcode if child.process else None
                self.stderr.write(
                    f"The {child.name} process ended by itself (exit code {code}): it is started again."
                )
                if child.name == "worker":
                    release_builds_of(worker_of(child), died=True)
                child.signal(signal.SIGKILL)  # its leftovers
                child.start()


def shown(listener: socket.socket) -> str:
    """Return the host and the port of a socket as people on this machine write them."""
    host, port = listener.getsockname()[:2]
    if host in ("127.0.0.1", "0.0.0.0", "::"):  # noqa: S104
        return f"localhost:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int, setting: str = "PORT", make: str = "make run") -> socket.socket:
    """Return a listening socket; callers wait in its queue until the web process takes them."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise CommandError(
            f"The studio cannot listen on {host}:{port} ({error.strerror}). "
            f"Is another one running? Choose another port:  {setting}={port + 1 if port else 8001} {make}"
        ) from error
    listener.listen(128)
    listener.set_inheritable(True)
    return listener


def web(listener: socket.socket) -> Child:
    """Return the web server on a socket that is open already."""
    return Child("web", lambda: serve(listener))


def serve(listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Serve the studio on a socket until a signal, by HTTPS if there is a TLS context."""
    uvicorn.run(
        application,
        fd=listener.fileno(),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        ssl_context_factory=(lambda *_: context) if context else None,
    )


@dataclass(frozen=True)
class Secure:
    """HTTPS beside HTTP: its socket and its certificate."""

    listener: socket.socket
    certificate: Certificate

    def child(self) -> Child:
        """Return the web server for HTTPS, which renews its certificate itself."""

        def run() -> None:
            context = server_context(certificate())  # as it is when the process starts again, months later
            arguments = (context, threading.Event())
            threading.Thread(target=renew_while_running, args=arguments, daemon=True).start()
            serve(self.listener, context)

        return Child("https", run)

    def advice(self) -> str:
        """Return what clients need, as commands for their terminal."""
        base = secure_base_url()
        if self.certificate.authority is None:
            lines = ["  For the Azure ML SDKs, in their terminal:"]
        else:
            lines = [
                "  Browsers trust this certificate once you import its authority:",
                f"    {self.certificate.authority}",
                "  For the Azure ML SDKs and other clients, in their terminal:",
                *(f"    {variable.command}" for variable in trust_variables(str(self.certificate.trusted))),
            ]
        lines += [
            f"    {variable.command}" for variable in (*sdk_v2_variables(base), *sdk_v1_variables(base))
        ]
        return "\n".join(lines) + "\n\n"


def listen_securely(host: str, port: int) -> Secure:
    """Return what HTTPS needs before any process starts; what is wrong is reported in a sentence."""
    if settings.SECURE_COOKIES:
        raise CommandError(
            "STUDIO_HTTPS is for a studio behind a proxy that speaks HTTPS, and redirects plain HTTP to it. "
            "Unset it to serve HTTPS and HTTP yourself."
        )
    listener = listen(host, port, "STUDIO_HTTPS_PORT", "make run HTTPS=1")
    settings.SERVES_HTTPS, settings.HTTPS_PORT = True, listener.getsockname()[1]
    try:
        current = certificate()
        server_context(current)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"The certificate cannot be kept in {own_folder()} ({error.strerror}).") from error
    return Secure(listener, current)


def worker() -> Child:
    """Return a Celery worker that builds."""
    options = ["--pool", "threads", "--concurrency", str(settings.BUILDS_AT_ONCE), "--loglevel", "WARNING"]
    options += ["--without-gossip", "--without-mingle", "--without-heartbeat"]

    def work() -> None:
        if os.geteuid() == 0:  # on a personal machine, this warning is noise
            warnings.filterwarnings("ignore", message="You're running the worker")
        celery.worker_main(["--quiet", "worker", *options])

    return Child("worker", work)


def worker_of(child: Child) -> str:
    """Return the name under which a worker process claims builds."""
    return f"{socket.gethostname()}:{child.pid}"
