"""After the last cancellation a build stops at once, in the middle of any step.

Real builds, each cancelled during work that produces no output.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from builds.confinement import forking
from builds.logs import read_log
from builds.models import Build, BuildState, Step
from builds.queue.requests import cancel_requests_of, request_build
from builds.worker import runner
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import person, queue_build, save_text, workspace_named
from tests.services.machine_image import import_machine_image
from tests.services.processes import ProcessInfo, descendants, wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.threads import serving

# The first of them makes the `host` base.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

GENEROUS_SECONDS = 20


class Stalling:
    """An index and registry that never finishes its response to some requests."""

    def __init__(self, stalls: Callable[[BaseHTTPRequestHandler], bool], index: Index | None = None) -> None:
        self.reached = threading.Event()
        self.resume = threading.Event()
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
                """Log nothing."""

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Ignore it: cancelled builds close their connections."""

        self._server = QuietServer(("127.0.0.1", 0), Answers)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def stall(self, request: BaseHTTPRequestHandler) -> None:
        """Send the beginning of a response, and withhold the rest."""
        with suppress(OSError):
            if request.command == "GET" and urlsplit(request.path).path.startswith("/files/"):
                request.send_response(200)
                request.send_header("Content-Length", "10000000")
                request.end_headers()
                request.wfile.write(b"x" * 300_000)
                request.wfile.flush()
            self.reached.set()
            self.resume.wait(120)

    def answer(self, request: BaseHTTPRequestHandler, index: Index | None) -> None:
        """Answer as the index, or as an empty registry."""
        status, headers, body = index._answer(request) if index else (404, {}, b"")
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    @contextmanager
    def running(self) -> Iterator[Stalling]:
        with serving(self._server):
            try:
                yield self
            finally:
                self.resume.set()


@pytest.fixture
def ada() -> User:
    return person("ada")


def of_builds(others: Collection[int]) -> dict[int, str]:
    """Return the processes that this process and its fork server have started, with their commands.

    `others` are shared services, which start processes for the tests of other processes too.
    """
    started = descendants(os.getpid())  # parents first
    left_out = {*others}
    for process in started:
        if process.parent in left_out:
            left_out.add(process.pid)
    return {
        process.pid: process.command
        for process in started
        if process.pid not in left_out and not is_fork_server(process)
    }


def is_fork_server(process: ProcessInfo) -> bool:
    return process.parent == os.getpid() and forking.__name__ in process.command


def cancelled_in_the_middle(build: Build, user: User, in_the_middle: Callable[[], object]) -> None:
    """Run the build, cancel it when it is in the middle, and check that it ends and leaves nothing running."""
    others = [process.pid for process in descendants(os.getpid()) if not is_fork_server(process)]

    def work() -> None:
        try:
            runner.run_build(build.pk, "a worker of a test")
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        in_the_middle()
        assert worker.is_alive(), log_of(build)
    except BaseException:
        cancel_requests_of(build, user)
        raise
    began = time.monotonic()
    cancel_requests_of(build, user)

    worker.join(GENEROUS_SECONDS)

    assert not worker.is_alive(), f"it goes on {time.monotonic() - began:.1f} s after it was cancelled"
    build.refresh_from_db()
    assert (build.state, build.error_code) == (BuildState.CANCELLED, "cancelled"), log_of(build)
    assert build.image is None
    assert "cancelled after" in log_of(build)
    assert not Step.objects.filter(build=build, ended_at=None).exists()
    wait_until(lambda: not of_builds(others), GENEROUS_SECONDS, lambda: f"left running: {of_builds(others)}")


def log_of(build: Build) -> str:
    return read_log(build.pk, 0).text


def at_step(build: Build, name: str) -> None:
    wait_until(lambda: build.steps.filter(name=name).exists(), 60, lambda: log_of(build))


def of_files(request: BaseHTTPRequestHandler) -> bool:
    return request.path.startswith("/files/")


def of_pages(request: BaseHTTPRequestHandler) -> bool:
    return request.path.startswith("/simple/")


@pytest.mark.slow
@pytest.mark.parametrize("stalls", [of_files, of_pages], ids=["downloading", "resolving"])
def test_a_build_stops_when_an_index_has_stopped_answering(
    stalls: Callable[[BaseHTTPRequestHandler], bool], tmp_path: Path, settings: Settings, ada: User
) -> None:
    make_wheel(tmp_path, f"stalled{stalls.__name__}", "1.0")
    server = Stalling(stalls, Index(tmp_path))
    with server.running():
        settings.INDEX_URL = f"http://{server.address}/simple"
        build = queue_build(save_text(f"stalled{stalls.__name__}==1.0\n"), ada)

        cancelled_in_the_middle(build, ada, lambda: server.reached.wait(60))


@pytest.mark.slow
def test_a_build_stops_while_bytecode_is_compiled(tmp_path: Path, settings: Settings, ada: User) -> None:
    functions = "".join(
        f"def f{n}(a, b):\n    return [a * b + {n} for a in range(a)]\n" for n in range(30_000)
    )
    make_wheel(tmp_path, "large", "1.0", {f"large/m{n}.py": functions for n in range(12)})
    index = Index(tmp_path)

    def compiling() -> None:
        at_step(build, "assemble")
        wait_until(
            lambda: any("compile_worker" in command for command in of_builds(()).values()),
            30,
            str(of_builds(())),
        )

    with index.server.running():
        settings.INDEX_URL = index.url
        build = queue_build(save_text("large==1.0\n"), ada)

        cancelled_in_the_middle(build, ada, compiling)


def test_a_build_stops_while_its_image_is_pushed(settings: Settings, ada: User) -> None:
    server = Stalling(lambda request: request.command == "PUT")
    with server.running():
        workspace = workspace_named("lab")
        workspace.registry = f"{server.address}/ml"
        workspace.save()
        text = "name: bare\nimage: host\n"
        build = queue_build(save_reading(workspace, "bare", read(text, "bare.yml"), source=text).version, ada)

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
    build = queue_build(version, ada)

    def silent() -> None:
        wait_until(lambda: "the silence begins\n" in log_of(build), 90, lambda: log_of(build))

    cancelled_in_the_middle(build, ada, silent)

    assert docker_engine.containers() == []
    docker_engine.client.images.remove("silent/base", force=True)


class Late(Stalling):
    """Answers every request; those that stall only after `resume`."""

    def stall(self, request: BaseHTTPRequestHandler) -> None:
        self.reached.set()
        self.resume.wait(60)
        self.answer(request, self.index)


def test_a_build_with_other_requests_is_not_cancelled(settings: Settings, tmp_path: Path, ada: User) -> None:
    """Also in the middle of the build."""
    make_wheel(tmp_path, "kept", "1.0")
    server = Late(of_files, Index(tmp_path))
    bob = person("bob")
    with server.running():
        settings.INDEX_URL = f"http://{server.address}/simple"
        build = queue_build(save_text("kept==1.0\n"), ada)
        theirs = request_build(build.version, bob)

        def work() -> None:
            try:
                runner.run_build(build.pk, "a worker of a test")
            finally:
                connection.close()

        worker = threading.Thread(target=work)
        worker.start()
        assert server.reached.wait(60)
        cancel_requests_of(build, ada)
        server.resume.set()
        worker.join(60)

    build.refresh_from_db()
    assert build.state == BuildState.SUCCEEDED, log_of(build)
    assert theirs.build == build
