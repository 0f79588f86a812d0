"""Fixtures for the real parts: started when a test first asks for one, stopped at the end of the run.

All test processes of a run share a service; a test that stops one takes a fixture of its own process, `stoppable_…`.
The Docker Engine is each process's own: it starts in half a second, and many tests look at all that it holds.
A test whose part is missing is skipped with a sentence that names it (with CI=true that fails the run).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

import pytest

from tests.services import parts
from tests.services.clock import Clock
from tests.services.debian.engine import NewEngine, new_engine
from tests.services.deployment import Deployment
from tests.services.processes import Process
from tests.services.servers.containerd import Containerd
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.postgres import Postgres
from tests.services.servers.preloaded import run_preloaded
from tests.services.servers.rabbitmq import RabbitMQ
from tests.services.servers.redis import Redis
from tests.services.servers.registry import Registry
from tests.services.servers.service import Service
from tests.services.sharing import (
    MIGRATED,
    belonging_to,
    folder_for_workers,
    guarded_folder,
    made_once,
    shared,
)
from tests.services.studio import PRIVATE, Studio, copy_stock
from tests.services.workshops import ask_python, make_host, workshop_in

if TYPE_CHECKING:  # runs of pytest inside of tests load these fixtures too, and use few
    from builds.imaging.workshop import Workshop

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


# Before the processes that run tests start: they and all that they start write to this folder what has no other
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    folder = folder_for_workers(config) / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


# For each worker process, in the controller
@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["shared_folder"] = str(folder_for_workers(node.config))


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """The folder of this test process: its data and its processes go at its end, however it ends."""
    with guarded_folder() as folder, belonging_to(folder):
        yield folder


@pytest.fixture(scope="session")
def shared_folder(request: pytest.FixtureRequest) -> Path:
    """The folder of the whole run: what is in it, and the processes that belong to it, last until its end."""
    given = getattr(request.config, "workerinput", {}).get("shared_folder")
    return Path(given) if given else request.getfixturevalue("run_folder")


@pytest.fixture(scope="session")
def postgres(shared_folder: Path) -> Postgres:
    """PostgreSQL: `.fresh_database()` for an empty database's DATABASE_URL."""
    need(parts.POSTGRES)
    return shared(Postgres, shared_folder, "postgres")


@pytest.fixture(scope="session")
def stoppable_postgres(run_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL that a test may stop: `.url` for DATABASE_URL, `.fresh_database()` for an empty one."""
    need(parts.POSTGRES)
    yield from running(Postgres(run_folder / "postgres"))


@pytest.fixture(scope="session")
def redis_server(shared_folder: Path) -> Redis:
    """Redis: `.fresh_url()` for an empty database's CELERY_BROKER_URL."""
    need(parts.REDIS)
    return shared(Redis, shared_folder, "redis")


@pytest.fixture(scope="session")
def stoppable_redis(run_folder: Path) -> Iterator[Redis]:
    """A Redis that a test may stop."""
    need(parts.REDIS)
    yield from running(Redis(run_folder / "redis"))


@pytest.fixture(scope="session")
def rabbitmq(shared_folder: Path) -> RabbitMQ:
    """RabbitMQ: `.fresh_url()` for an empty virtual host's CELERY_BROKER_URL."""
    need(parts.RABBITMQ)
    return shared(RabbitMQ, shared_folder, "rabbitmq")


@pytest.fixture(scope="session")
def stoppable_rabbitmq(run_folder: Path) -> Iterator[RabbitMQ]:
    """A RabbitMQ that a test may stop, with one virtual host: starting others takes half of its start."""
    need(parts.RABBITMQ)
    yield from running(RabbitMQ(run_folder / "rabbitmq", virtual_hosts=[]))


@pytest.fixture(scope="session")
def docker_engine(run_folder: Path) -> Iterator[DockerEngine]:
    """A Docker Engine: `.host` for DOCKER_HOST, `.client` to talk to it."""
    need(parts.DOCKER)
    yield from running(DockerEngine(run_folder / "docker", undo=run_folder / "undo"))


@pytest.fixture(scope="session")
def containerd_engine(shared_folder: Path, run_folder: Path) -> Iterator[NewEngine]:
    """A newer Docker Engine, with its images in containerd's store, as Docker Engine 29 keeps them by default."""
    need(parts.DOCKER)
    need(parts.APT)
    unpacked = made_once(
        shared_folder, "debian-engine", partial(new_engine, shared_folder / "debian-engine-files")
    )
    folder = run_folder / "docker-containerd"
    yield from running(NewEngine(folder, run_folder / "undo", unpacked, containerd=True))


@pytest.fixture(scope="session")
def registry(shared_folder: Path) -> Registry:
    """A registry that takes pushes from everybody: `.address` is 127.0.0.1:PORT."""
    need(parts.REGISTRY)
    return shared(Registry, shared_folder, "registry")


@pytest.fixture(scope="session")
def stoppable_registry(run_folder: Path) -> Iterator[Registry]:
    """A registry that a test may stop."""
    need(parts.REGISTRY)
    yield from running(Registry(run_folder / "registry"))


@pytest.fixture(scope="session")
def private_registry(shared_folder: Path) -> Registry:
    """A registry that wants a login: `.user` with `.password`, or `.auth` for httpx."""
    need(parts.REGISTRY)
    return shared(partial(Registry, login=True), shared_folder, "private-registry")


@pytest.fixture(scope="session")
def qemu() -> Path:
    """The path of the command that runs programs of arm64, given the root of their files with -L."""
    need(parts.QEMU)
    return parts.program("qemu-aarch64-static")


@pytest.fixture(scope="session")
def debian_python(shared_folder: Path, registry: Registry) -> str:
    """The reference of an index of Debian's Python for amd64 and arm64, in the registry that takes everything."""
    from tests.services.debian.python import push_debian_python

    need(parts.APT)
    folder = shared_folder / "debian-python-files"
    return made_once(shared_folder, "debian-pythons", partial(push_debian_python, folder, registry.address))


@pytest.fixture(scope="session")
def skopeo() -> Path:
    """The path of the skopeo command."""
    need(parts.SKOPEO)
    return parts.program("skopeo")


@pytest.fixture(scope="session")
def podman() -> Path:
    """The path of the podman command."""
    need(parts.PODMAN)
    return parts.program("podman")


@pytest.fixture(scope="session")
def docker_command() -> Path:
    """The path of the docker command."""
    need(parts.DOCKER_COMMAND)
    return parts.program("docker")


@pytest.fixture(scope="session")
def containerd(run_folder: Path) -> Iterator[Containerd]:
    """A containerd: `.ctr` is the command for it."""
    need(parts.CONTAINERD)
    yield from running(Containerd(run_folder / "containerd"))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that can be set for the processes that are given its `settings`."""
    need(parts.FAKETIME)
    return Clock(tmp_path)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of Debian's Chromium."""
    need(parts.CHROMIUM)
    return parts.program("chromium-headless-shell")


class StartStudio(Protocol):
    """Start a studio of its own, with a copy of the data in `stock`; the keywords are its settings."""

    def __call__(self, stock: Path | None = None, /, **settings: str) -> Studio: ...


class HostWorkshop(Protocol):
    """Make a workshop in an existing folder."""

    def __call__(self, folder: Path, /) -> Workshop: ...


@pytest.fixture(scope="session")
def stock(shared_folder: Path, host_workshop: HostWorkshop, django_db_setup: None) -> Path:
    """The data of a studio that was prepared and has the `host` base: others start from copies of it."""

    def make() -> Path:
        folder = shared_folder / f"stock-{uuid4().hex[:8]}"
        (folder / "var").mkdir(parents=True, mode=0o755)
        host_workshop(folder / "var")
        if (tables := shared_folder / MIGRATED).exists():  # to migrate another takes seconds
            shutil.copyfile(tables, folder / "var" / "studio.sqlite3")
        return make_stock(folder)

    return made_once(shared_folder, "stock", make)


@pytest.fixture(scope="session")
def host_workshop(shared_folder: Path) -> HostWorkshop:
    """Make a workshop in a folder; its store and cache have a lean `host` base, which takes a second of CPU to make."""
    made = made_once(shared_folder, "host-workshop", lambda: make_host(shared_folder / "host-workshop"))

    def workshop(folder: Path) -> Workshop:
        for name in ("store", "cache"):
            copy_stock(made / name, folder / name)
        return workshop_in(folder)

    return workshop


@pytest.fixture(scope="session")
def known_python(shared_folder: Path) -> Path:
    """A cache of a workshop in which uv has noted what this Python is: new caches start with a copy."""

    def make() -> Path:
        ask_python(shared_folder / "known-python")
        return shared_folder / "known-python"

    return made_once(shared_folder, "known-python", make)


def make_stock(folder: Path) -> Path:
    definition = folder / "base.yaml"
    definition.write_text("name: base\nimage: host\n")
    inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    environment = {**inherited, "STUDIO_VAR": str(folder / "var")}
    done = run_preloaded(["manage.py", "build", definition], env=environment)
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
def studio(run_folder: Path, stock: Path) -> Iterator[Studio]:
    """One studio for all tests that only look at it or add to it: SQLite, the `host` base."""
    # A build that a test plays has no worker that beats its heart: nobody is to take it for lost.
    settings = {"STUDIO_LOST_AFTER_SECONDS": "3600", "STUDIO_ANYONE_CREATES_WORKSPACES": "true"}
    yield from running(Studio(run_folder / "studio", settings, stock))


class StartDeployment(Protocol):
    """Start a grown-up studio on PostgreSQL, with settings such as CELERY_BROKER_URL and a copy of the stock.

    `database` is the PostgreSQL that the test is going to stop.
    """

    def __call__(
        self,
        stock: Path,
        settings: Mapping[str, str],
        *,
        webs: int = 1,
        workers: int = 1,
        database: Postgres | None = None,
    ) -> Deployment: ...


@pytest.fixture(scope="session")
def prepared_database(postgres: Postgres, shared_folder: Path, migrated_database: str) -> str:
    """The name of a database that `manage.py prepare` has been at: copies of it need no migrations."""

    def prepare() -> str:
        name = postgres.make_database(migrated_database)
        settings = {"DATABASE_URL": postgres.url_of(name), "SECRET_KEY": "k" * 50}
        Deployment(shared_folder / f"prepared-{name}", settings).prepare()
        return name

    return made_once(shared_folder, "prepared-database", prepare)


@pytest.fixture
def start_deployment(
    run_folder: Path, postgres: Postgres, prepared_database: str
) -> Iterator[StartDeployment]:
    """Start web and worker processes that are killed, with all that came from them, when the test ends."""
    with ExitStack() as stack:

        def start(
            stock: Path,
            settings: Mapping[str, str],
            *,
            webs: int = 1,
            workers: int = 1,
            database: Postgres | None = None,
        ) -> Deployment:
            server, template = postgres, prepared_database
            if database:  # a copy takes a tenth of the CPU of migrations
                server, template = database, database.copy_from(postgres, prepared_database)
            url = stack.enter_context(server.fresh_database(template))
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
