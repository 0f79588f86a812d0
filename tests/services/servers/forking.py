"""The process that commands and servers of tests are forked from (`preloaded.py` starts it and sends the requests).

It is started as a module: with the number of a socket, it imports the libraries and forks for each request.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.services.processes import MARKER

# Imports of the studio's commands. Libraries that need Django's settings are left to the commands.
LIBRARIES = (
    "ada_url",
    "celery.app",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.worker.worker",
    "cryptography.fernet",
    "cyclonedx.model.bom",
    "cyclonedx.output.json",
    "cyclonedx.schema",
    "deflate",
    "dj_database_url",
    "django.contrib.admindocs.views",
    "django.contrib.messages",
    "django.core.asgi",
    "django.core.handlers.asgi",
    "django.core.mail",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.db.backends.postgresql.psycopg_any",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.middleware.csrf",
    "django.shortcuts",
    "django.template.defaultfilters",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.test",
    "django.urls",
    "django.views.debug",
    "django.views.generic",
    "docker",
    "environs",
    "httpcore",
    "httpx",
    "inflection",
    "isal.igzip",
    "jwt",
    "kombu.transport.filesystem",
    "kombu.transport.pyamqp",
    "kombu.transport.redis",
    "license_expression",
    "markdown_it",
    "packaging.pylock",
    "packaging.requirements",
    "pip._internal.commands.install",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic.fields",
    "pydantic.main",
    "pygments.formatters.html",
    "pygments.lexers.python",
    "rattler",
    "requests",
    "rest_framework.status",
    "securesystemslib.signer",
    "spdx_tools.spdx.writer.json.json_writer",
    "squarify",
    "standardwebhooks",
    "structlog.stdlib",
    "unittest.mock",
    "uritemplate",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.main",
    "uvicorn.protocols.http.httptools_impl",
    "whitenoise.base",
    "xml.dom.minidom",
    "yaml",
    "zstandard",
    # These import neither Django nor settings: a contract in pyproject.toml holds that.
    "builds.imaging.assemble",
    "builds.imaging.bases.find",
    "builds.imaging.conda.layers",
    "builds.imaging.packing.pipeline",
    "builds.imaging.publish.push",
    "builds.proxy.forward",
    "environments.definition.cli",
    "environments.definition.hash",
)
# Overwritten by what is started: /proc/PID/environ shows what a process was started with, not what it was forked with.
ROOM = 1000
ROOM_NAME = "PRELOADED_ROOM"
RUN, START = b"r", b"s"


def serve_set_up() -> None:
    """Set Django up, and fork for the requests from what was given as the output."""
    with socket.socket(fileno=os.dup(1)) as requests, tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        import django
        from django.apps import apps

        if not apps.ready:
            django.setup()
            # Each web process and most commands need the pages, workers and builds the tasks.
            for module in ("studio.urls", "builds.tasks"):
                importlib.import_module(module)
            from environments.network.client import trusted

            with suppress(OSError):  # that SSL_CERT_FILE is not there is the command's to say
                trusted()  # read once for all with the same certificates
        elif not _take_settings():
            return
        sys.stdout.flush()
        sys.stderr.flush()
        if os.fstat(printed.fileno()).st_size or len(os.listdir("/proc/self/task")) > 1:
            return
        requests.send(b"1")
        _fork_for(requests)


def _take_settings() -> bool:
    """Take this environment's settings, in a fork of a process that was set up by others; say whether they can be.

    A setting that was read while Django was set up must be as it was: `LazySettings` keeps what was read. Only the
    database may be another of the same kind, and log lines may be written otherwise.
    """
    from asgiref.local import Local
    from django.conf import Settings, settings
    from django.db import connections
    from django.utils.log import configure_logging

    lazy: Any = settings
    before = lazy._wrapped
    read = {name for name in vars(settings) if name.isupper()}
    module = os.environ["DJANGO_SETTINGS_MODULE"]
    for name in (module, "studio.settings"):
        sys.modules.pop(name, None)
    after: Any = Settings(module)
    for name, value in vars(before).items():  # applications have set defaults of their own
        if name.isupper() and not hasattr(after, name):
            setattr(after, name, value)
    differ = {name for name in read if getattr(before, name) != getattr(after, name)}
    engines = {databases["default"]["ENGINE"] for databases in (before.DATABASES, after.DATABASES)}
    if not differ <= {"DATABASES", "LOGGING"} or len(engines) > 1:
        return False
    lazy._wrapped = after
    vars(connections).pop("settings", None)
    connections._settings = None  # type: ignore[attr-defined]
    connections._connections = Local(connections.thread_critical)  # type: ignore[attr-defined]
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    return True


def serve(descriptor: int) -> None:
    """Fork for each request until the other end is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    alone = len(os.listdir("/proc/self/task")) == 1
    assert alone, "A library has started a thread: what is forked would lack it."
    with socket.socket(fileno=descriptor) as requests:
        _fork_for(requests)


def _fork_for(requests: socket.socket) -> None:
    """Fork for each request until the other end is closed."""
    while True:
        gc.freeze()  # what is shared with the forks is not looked through again by each of them
        kind, descriptors, _flags, _address = socket.recv_fds(requests, 1, 3)
        if not kind:
            return
        orphaned, opened = os.pipe()
        between = os.fork()
        if between == 0:
            requests.close()
            os.close(opened)
            _answer(kind, orphaned, *descriptors)
        if kind == START:  # when these copies are closed, what was started has its new parent
            os.waitpid(between, 0)
        for copy in (orphaned, opened, *descriptors):
            os.close(copy)
        _reap()


def _reap() -> None:
    """Bury the children that have ended."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _answer(kind: bytes, orphaned: int, request_fd: int, out: int, err: int) -> None:
    """Run the command in a child, report its exit code (or, of what is only started, its id), and end."""
    with socket.socket(fileno=request_fd) as connection:
        request = json.loads(connection.makefile().read())
        child = os.fork()
        if child == 0:
            connection.close()
            if kind == START:
                os.read(orphaned, 1)
            os.close(orphaned)
            _become(request, out, err)
        if kind == START:
            connection.sendall(str(child).encode())
        else:
            _pid, status = os.waitpid(child, 0)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _show(marker: str) -> None:
    """Write the marker to where /proc/PID/environ is read from."""
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47])
    name = f"{ROOM_NAME}=".encode()
    room = Path("/proc/self/environ").read_bytes().index(name) + len(name)
    text = marker.encode()
    assert len(text) <= ROOM, "The marker is longer than its room."
    ctypes.memmove(start + room, text.ljust(ROOM), ROOM)


def _become(request: dict[str, object], out: int, err: int) -> None:
    """Be the command, as if Python had been started with its arguments, environment and folder."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    argv, env = request["argv"], request["env"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    _show(str(env.get(MARKER, "")))
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        if argv[0] == "-m":
            sys.argv = argv[1:]
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = argv
            sys.path[0] = str(Path(argv[0]).resolve().parent)
            runpy.run_path(argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # wait for threads, as Python does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == "set up":
        serve_set_up()
    else:
        serve(int(sys.argv[1]))
