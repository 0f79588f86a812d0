"""`manage.py run`: the whole studio on one machine, until Ctrl-C."""

import os
import signal
import socket
import threading
import warnings
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import CommandError

from builds.worker.reconciler import release_builds_of, release_builds_of_dead_workers
from environments.errors import ServiceError
from studio.asgi import application
from studio.celery import app as celery
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
        """Take the port and address to listen on."""
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--host", default=settings.HOST)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, start, say where it is, and wait."""
        listener = listen(options["host"], options["port"])
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        try:
            prepared = prepare()
        except ServiceError as error:
            raise CommandError(f"{error.message} {error.help}") from error
        if settings.EMBEDDED:  # with others beside it, a machine is not known by its name alone
            release_builds_of_dead_workers(socket.gethostname())
        children = [web(listener), worker()]
        for child in children:
            child.start()
        try:
            self.say_where(listener, prepared)
            self.watch(children, stop)
        finally:
            self.stdout.write("Stopping …")
            end(children, END_WITHIN_SECONDS)
            release_builds_of(worker_of(children[1]), died=False)
            self.stdout.write("Stopped. What was being built goes on at the next start.")

    def say_where(self, listener: socket.socket, prepared: Prepared) -> None:
        """Print the address and the login link."""
        host, port = listener.getsockname()[:2]
        address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"  # noqa: S104
        self.stdout.write(
            f"\n  The studio is at {address}\n"
            f"  Sign in once as {prepared.admin}: {address}{login_path(prepared.admin)}\n"
            f"  {prepared.curated} curated environments, data in {settings.VAR}. Ctrl-C stops it.\n\n"
        )
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


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; callers wait in its queue until the web process takes them."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise CommandError(
            f"The studio cannot listen on {host}:{port} ({error.strerror}). "
            f"Is another one running? Choose another port:  PORT={port + 1 if port else 8001} make run"
        ) from error
    listener.listen(128)
    listener.set_inheritable(True)
    return listener


def web(listener: socket.socket) -> Child:
    """Return the web server on a socket that is open already."""

    def serve() -> None:
        uvicorn.run(
            application,
            fd=listener.fileno(),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )

    return Child("web", serve)


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
