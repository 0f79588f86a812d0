"""The last one who waits cancels, and the build stops at once, whatever it is doing (issue 5, 1).

Real builds, each caught in the middle of something that gives no sign of itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from builds import runner
from builds.logs import read_log
from builds.models import Build, State, Step
from builds.services import cancel_for, request_build
from environments.definition import read
from environments.services import save_reading
from tests.builds.played import asked, person, saved, workspace_named
from tests.images.making import make_wheel
from tests.images.serving import Index
from tests.services.docker_engine import DockerEngine
from tests.services.machine_image import import_machine_image
from tests.services.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

GENEROUS_SECONDS = 20


class Stalling:
    """An index and registry that begins to answer some requests, and never ends."""

    def __init__(self, stalls: Callable[[BaseHTTPRequestHandler], bool], index: Index | None = None) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()
        self.index = index
        outer = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                if stalls(self):
                    self.close_connection = True
                    outer.stall(self)
                elif self.command == "POST":  # the registry takes an upload
                    self.send_response(202)
                    self.send_header("Location", f"{self.path}one")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    outer.answer(self, index)

            do_GET = do_HEAD = do_POST = do_PUT = answer

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Quietly(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Builds here are cancelled, and hang up."""

        self._server = Quietly(("127.0.0.1", 0), Answers)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def stall(self, request: BaseHTTPRequestHandler) -> None:
        """Give the beginning of an answer, and keep the rest."""
        with suppress(OSError):
            if request.command == "GET" and urlsplit(request.path).path.startswith("/files/"):
                request.send_response(200)
                request.send_header("Content-Length", "10000000")
                request.end_headers()
                request.wfile.write(b"x" * 300_000)
                request.wfile.flush()
            self.reached.set()
            self.let_go.wait(120)

    def answer(self, request: BaseHTTPRequestHandler, index: Index | None) -> None:
        """Answer as the index does; a registry that has nothing."""
        status, headers, body = index._answer(request) if index else (404, {}, b"")
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    @contextmanager
    def running(self) -> Iterator[Stalling]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.let_go.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@pytest.fixture
def ada() -> User:
    return person("ada")


def children() -> dict[str, str]:
    """Return the processes that this one has started and that are still there, with their commands."""
    found = {}
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in listed.read_text().split():
                with suppress(OSError):
                    found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return found


def cancelled_in_the_middle(build: Build, user: User, in_the_middle: Callable[[], object]) -> None:
    """Run the build, cancel it when it is in the middle, and hold up that it ends and leaves nothing running."""
    before = set(children())

    def work() -> None:
        try:
            runner.run(build.pk, "a worker of a test")
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        in_the_middle()
        assert worker.is_alive(), told(build)
    except BaseException:
        cancel_for(build, user)
        raise
    began = time.monotonic()
    cancel_for(build, user)

    worker.join(GENEROUS_SECONDS)

    assert not worker.is_alive(), f"it goes on {time.monotonic() - began:.1f} s after it was cancelled"
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.CANCELLED, "cancelled"), told(build)
    assert build.image is None
    assert "cancelled after" in told(build)
    assert not Step.objects.filter(build=build, ended_at=None).exists()
    wait_until(lambda: set(children()) <= before, GENEROUS_SECONDS, lambda: f"left running: {children()}")


def told(build: Build) -> str:
    return read_log(build.pk, 0).text


def at_step(build: Build, name: str) -> None:
    wait_until(lambda: build.steps.filter(name=name).exists(), 60, lambda: told(build))


def of_files(request: BaseHTTPRequestHandler) -> bool:
    return request.path.startswith("/files/")


def of_pages(request: BaseHTTPRequestHandler) -> bool:
    return request.path.startswith("/simple/")


@pytest.mark.parametrize("stalls", [of_files, of_pages], ids=["downloading", "resolving"])
def test_a_build_stops_when_an_index_has_stopped_answering(
    stalls: Callable[[BaseHTTPRequestHandler], bool], tmp_path: Path, settings: Settings, ada: User
) -> None:
    make_wheel(tmp_path, f"stalled{stalls.__name__}", "1.0")
    server = Stalling(stalls, Index(tmp_path))
    with server.running():
        settings.INDEX_URL = f"http://{server.address}/simple"
        build = asked(saved(f"stalled{stalls.__name__}==1.0\n"), ada)

        cancelled_in_the_middle(build, ada, lambda: server.reached.wait(60))


def test_a_build_stops_while_bytecode_is_compiled(tmp_path: Path, settings: Settings, ada: User) -> None:
    functions = "".join(
        f"def f{n}(a, b):\n    return [a * b + {n} for a in range(a)]\n" for n in range(30_000)
    )
    make_wheel(tmp_path, "large", "1.0", {f"large/m{n}.py": functions for n in range(12)})
    index = Index(tmp_path)

    def compiling() -> None:
        at_step(build, "assemble")
        wait_until(
            lambda: any("compile" in of or "bytecode" in of for of in children().values()),
            30,
            str(children()),
        )

    with index.server.running():
        settings.INDEX_URL = index.url
        build = asked(saved("large==1.0\n"), ada)

        cancelled_in_the_middle(build, ada, compiling)


def test_a_build_stops_while_its_image_is_pushed(settings: Settings, ada: User) -> None:
    server = Stalling(lambda request: request.command == "PUT")
    with server.running():
        place = workspace_named("lab")
        place.registry = f"{server.address}/ml"
        place.save()
        text = "name: bare\nimage: host\n"
        build = asked(save_reading(place, "bare", read(text, "bare.yml"), source=text).version, ada)

        cancelled_in_the_middle(build, ada, lambda: server.reached.wait(60))


def test_a_build_stops_in_the_middle_of_a_silent_step_of_a_dockerfile(
    docker_engine: DockerEngine, settings: Settings, ada: User
) -> None:
    import_machine_image(docker_engine.client, "silent/base", ("/bin/sh", "/bin/sleep"))
    settings.DOCKER_HOST = docker_engine.host
    settings.LOCAL_IMAGES = True
    settings.REGISTRY_MIRRORS = {"docker.io": "127.0.0.1:1"}
    text = "FROM silent/base\nRUN echo the silence begins; sleep 600\n"
    version = save_reading(workspace_named("lab"), "silent", read(text, "Dockerfile"), source=text).version
    build = asked(version, ada)

    def silent() -> None:
        wait_until(lambda: "the silence begins\n" in told(build), 90, lambda: told(build))

    cancelled_in_the_middle(build, ada, silent)

    assert docker_engine.client.containers.list(all=True) == []
    docker_engine.client.images.remove("silent/base", force=True)


class Late(Stalling):
    """Answers all, what it stalls at only when it is let go."""

    def stall(self, request: BaseHTTPRequestHandler) -> None:
        self.reached.set()
        self.let_go.wait(60)
        self.answer(request, self.index)


def test_who_still_waits_gets_the_image(settings: Settings, tmp_path: Path, ada: User) -> None:
    """Cancelling yours leaves the others', in the middle of the build too."""
    make_wheel(tmp_path, "kept", "1.0")
    server = Late(of_files, Index(tmp_path))
    bob = person("bob")
    with server.running():
        settings.INDEX_URL = f"http://{server.address}/simple"
        build = asked(saved("kept==1.0\n"), ada)
        theirs = request_build(build.version, bob)

        def work() -> None:
            try:
                runner.run(build.pk, "a worker of a test")
            finally:
                connection.close()

        worker = threading.Thread(target=work)
        worker.start()
        assert server.reached.wait(60)
        cancel_for(build, ada)
        server.let_go.set()
        worker.join(60)

    build.refresh_from_db()
    assert build.state == State.SUCCEEDED, told(build)
    assert theirs.build == build
