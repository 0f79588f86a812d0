"""Fixtures for the real parts: started when a test first asks for one, stopped at the end of the run.

A test whose part is missing is skipped with a sentence that names it (with CI=true that fails the run).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import pytest

from tests.services import parts, reaper
from tests.services.clock import Clock
from tests.services.deployment import Deployment
from tests.services.docker_engine import DockerEngine
from tests.services.postgres import Postgres
from tests.services.processes import MARKER, Process
from tests.services.rabbitmq import RabbitMQ
from tests.services.redis import Redis
from tests.services.registry import Registry
from tests.services.service import Service
from tests.services.studio import PRIVATE, ROOT, Studio

# overlay2 cannot put its layers on these.
NO_HOME_FOR_IMAGES = {"tmpfs", "overlay", "ramfs"}


S = TypeVar("S", bound=Service)


def running(service: S) -> Iterator[S]:
    """Run the service until the end of the test run."""
    service.start()
    yield service
    service.stop()


def need(part: parts.Part) -> None:
    """Skip the test when the part is missing here."""
    if reason := part.missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for the data of the real parts, removed at the end of the run, however the run ends."""
    # Servers run as users of their own, so the way to it must be open to all: not pytest's tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="studio-tests-", dir=roomy_folder()))
    folder.chmod(0o755)
    guard = subprocess.Popen(
        [sys.executable, "-I", reaper.__file__, str(folder), str(os.getpid())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    before = os.environ.get(MARKER)
    os.environ[MARKER] = f"{before or ''} {folder}".strip()
    yield folder
    if before is None:
        del os.environ[MARKER]
    else:
        os.environ[MARKER] = before
    assert guard.stdin
    guard.stdin.close()
    guard.wait()


def roomy_folder() -> Path:
    """Return a folder for temporary files that everybody may enter, on a file system that can hold images."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, mount, kind = line.split()[:3]
        kinds[Path(mount)] = kind
    for folder in (Path("/tmp"), Path("/var/tmp")):
        place = next(place for place in (folder, *folder.parents) if place in kinds)
        if kinds[place] not in NO_HOME_FOR_IMAGES:
            return folder
    return Path("/tmp")  # the engine will find a slower way to store layers


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Postgres]:
    """PostgreSQL: `.url` for DATABASE_URL, `.fresh_database()` for an empty one."""
    need(parts.POSTGRES)
    yield from running(Postgres(run_folder / "postgres"))


@pytest.fixture(scope="session")
def redis_server(run_folder: Path) -> Iterator[Redis]:
    """Redis: `.url` for CELERY_BROKER_URL, `.fresh_url()` for an empty database."""
    need(parts.REDIS)
    yield from running(Redis(run_folder / "redis"))


@pytest.fixture(scope="session")
def rabbitmq(run_folder: Path) -> Iterator[RabbitMQ]:
    """RabbitMQ: `.url` for CELERY_BROKER_URL."""
    need(parts.RABBITMQ)
    yield from running(RabbitMQ(run_folder / "rabbitmq"))


@pytest.fixture(scope="session")
def docker_engine(run_folder: Path) -> Iterator[DockerEngine]:
    """A Docker Engine: `.host` for DOCKER_HOST, `.client` to talk to it."""
    need(parts.DOCKER)
    yield from running(DockerEngine(run_folder / "docker", undo=run_folder / "undo"))


@pytest.fixture(scope="session")
def registry(run_folder: Path) -> Iterator[Registry]:
    """A registry that takes pushes from everybody: `.address` is 127.0.0.1:PORT."""
    need(parts.REGISTRY)
    yield from running(Registry(run_folder / "registry"))


@pytest.fixture(scope="session")
def private_registry(run_folder: Path) -> Iterator[Registry]:
    """A registry that wants a login: `.user` with `.password`, or `.auth` for httpx."""
    need(parts.REGISTRY)
    yield from running(Registry(run_folder / "private-registry", login=True))


@pytest.fixture(scope="session")
def skopeo() -> Path:
    """The path of the skopeo command."""
    need(parts.SKOPEO)
    return parts.program("skopeo")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that can be set for the processes that are given its `settings`."""
    need(parts.FAKETIME)
    return Clock(tmp_path)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of Debian's Chromium."""
    need(parts.CHROMIUM)
    return parts.program("chromium")


class StartStudio(Protocol):
    """Start a studio of its own, with a copy of the data in `stock`; the keywords are its settings."""

    def __call__(self, stock: Path | None = None, /, **settings: str) -> Studio: ...


@pytest.fixture(scope="session")
def stock(run_folder: Path) -> Path:
    """The data of a studio that was prepared and has made the `host` base: others start from copies of it."""
    folder = run_folder / "stock"
    folder.mkdir()
    definition = folder / "base.yaml"
    definition.write_text("name: base\nimage: host\n")
    inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    environment = {**inherited, "STUDIO_VAR": str(folder / "var")}
    words: list[str | Path] = [sys.executable, "manage.py", "build", definition]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "var"


@pytest.fixture
def start_studio(run_folder: Path) -> Iterator[StartStudio]:
    """Start studios that are stopped, with all that came from them, when the test ends."""
    studios: list[Studio] = []

    def start(stock: Path | None = None, /, **settings: str) -> Studio:
        studio = Studio(run_folder / f"studio-{uuid4().hex[:8]}", settings, stock)
        studios.append(studio)
        studio.start()
        return studio

    yield start
    for studio in studios:
        studio.kill()


@pytest.fixture(scope="session")
def studio(run_folder: Path) -> Iterator[Studio]:
    """One studio for all tests that only look at it or add to it: SQLite, the `host` base."""
    # A build that a test plays has no worker that beats its heart: nobody is to take it for lost.
    settings = {"STUDIO_LOST_AFTER_SECONDS": "3600", "STUDIO_ANYONE_CREATES_WORKSPACES": "true"}
    yield from running(Studio(run_folder / "studio", settings))


class StartDeployment(Protocol):
    """Start a grown-up studio on PostgreSQL, with settings such as CELERY_BROKER_URL and a copy of the stock."""

    def __call__(
        self, stock: Path, settings: Mapping[str, str], *, webs: int = 1, workers: int = 1
    ) -> Deployment: ...


@pytest.fixture(scope="session")
def prepared_database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database that `manage.py prepare` has been at: copies of it need no migrations."""
    with postgres.fresh_database() as url:
        folder = tmp_path_factory.mktemp("prepared")
        Deployment(folder / "studio", {"DATABASE_URL": url, "SECRET_KEY": "k" * 50}).prepare()
        yield url.rpartition("/")[2]


@pytest.fixture
def start_deployment(
    run_folder: Path, postgres: Postgres, prepared_database: str
) -> Iterator[StartDeployment]:
    """Start web and worker processes that are killed, with all that came from them, when the test ends."""
    with ExitStack() as stack:

        def start(stock: Path, settings: Mapping[str, str], *, webs: int = 1, workers: int = 1) -> Deployment:
            url = stack.enter_context(postgres.fresh_database(template=prepared_database))
            whole = {"DATABASE_URL": url, "SECRET_KEY": "k" * 50, **settings}
            deployment = Deployment(run_folder / f"deployment-{uuid4().hex[:8]}", whole, stock)
            stack.callback(deployment.kill)
            deployment.start(webs=webs, workers=workers)
            return deployment

        yield start


class StartProcess(Protocol):
    """Start a program; its options are those of `Process`."""

    def __call__(self, argv: Sequence[str | Path], **options: Any) -> Process: ...


@pytest.fixture
def start_process(run_folder: Path, tmp_path: Path) -> Iterator[StartProcess]:
    """Start programs that are killed, with all that came from them, when the test ends."""
    started: list[Process] = []

    def start(argv: Sequence[str | Path], **options: Any) -> Process:
        options.setdefault("output", tmp_path / f"output-{len(started)}.txt")
        process = Process(argv, **options)
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.kill_family()
