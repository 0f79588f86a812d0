"""`manage.py doctor` with each part really broken: it says which, and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from builds.confinement.confine import Support
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import OCI_MANIFEST
from builds.imaging.oci.store import BlobStore
from builds.models import Build, Image
from environments.models import Environment, Version, Workspace
from studio.models import CounterCursor, Worker
from studio.operations.checks import data, outside, pythons, set_up
from studio.operations.finding import Finding, Level
from studio.operations.workers import here
from tests.builds.distribution import layer_of, store_index
from tests.services.processes import free_port
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.postgres import Postgres
from tests.services.servers.rabbitmq import RabbitMQ
from tests.services.servers.redis import Redis
from tests.services.servers.registry import Registry
from tests.studio.management.commands import Desk, Done


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    assert finding.help or finding.level == Level.OK, "what is not well needs a word about what to do"
    return finding


def finding_of(done: Done, part: str) -> dict[str, Any]:
    return next(f for f in done.result["findings"] if f["part"] == part)


# The whole command


def test_an_unreachable_database_is_reported_once_and_hides_no_other_finding(
    stoppable_postgres: Postgres, desk: Desk
) -> None:
    with stoppable_postgres.outage():
        done = desk.manage(
            "doctor",
            "--json",
            DATABASE_URL=stoppable_postgres.url,
            SECRET_KEY="k" * 50,
            STUDIO_INDEX_URL=closed(),
        )
    assert done.code == 2, done.stderr
    assert finding_of(done, "database")["level"] == "wrong"
    assert "DATABASE_URL" in finding_of(done, "database")["help"]
    assert {"settings", "broker", "disk", "store"} <= {f["part"] for f in done.result["findings"]}
    assert "p@ss" not in done.stdout
    assert "p%40ss" not in done.stdout


def test_a_database_without_tables_is_reported_on_a_terminal(desk: Desk) -> None:
    done = desk.manage("doctor", STUDIO_INDEX_URL=closed())
    assert done.code == 2
    assert "migrations are missing" in done.stdout
    assert "manage.py prepare" in done.stdout


# Data


@pytest.mark.django_db
def test_database_and_clock_are_well() -> None:
    CounterCursor.objects.get_or_create(
        defaults={"builds_until": timezone.now()}
    )  # a test may have emptied all tables
    assert only(data.database()).level == only(data.clock()).level == Level.OK


def test_sqlite_without_its_write_ahead_log_is_reported(stock: Path, tmp_path: Path) -> None:
    program = (
        "from django.conf import settings\n"
        "settings.DATABASES['default']['OPTIONS']['init_command'] = 'PRAGMA journal_mode=DELETE'\n"
        "from studio.operations.checks.data import database\n"
        "print(*[f.message for f in database()])\n"
    )
    done = Desk.stocked(stock, tmp_path).manage("shell", "-v", "0", "-c", program)
    assert "delete, not wal" in done.stdout, done.stderr


@pytest.mark.django_db
def test_no_worker_is_a_warning_and_wrong_when_builds_wait() -> None:
    assert only(data.workers_()).level == Level.WARNING
    Worker.objects.create(
        name="dead:1", concurrency=2, started_at=Now(), seen_at=Now() - timedelta(minutes=5)
    )
    workspace = Workspace.objects.create(name="team", title="Team")
    environment = Environment.objects.create(workspace=workspace, name="train")
    version = Version.objects.create(
        environment=environment, number=1, version="1", data={}, hash=uuid4().hex
    )
    Build.objects.create(workspace=workspace, version=version, hash=version.hash)
    assert only(data.workers_()).level == Level.WRONG
    here("alive:1", 3)
    finding = only(data.workers_())
    assert (finding.level, "3 builds side by side; 1 wait" in finding.message) == (Level.OK, True)


@pytest.fixture
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR, settings.STORE, settings.CACHE = tmp_path, tmp_path / "store", tmp_path / "cache"
    return tmp_path


@pytest.fixture
def layer(var: Path) -> Path:
    """An image of one layer is in the store and the database; where its layer is."""
    store = BlobStore(var / "store")
    content = os.urandom(100_000)
    layer = store.put(content, "application/vnd.oci.image.layer.v1.tar+gzip")
    config = store.put(b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json()],
    }
    made = store.put(json.dumps(manifest).encode(), OCI_MANIFEST)
    store.tag("team/azureml/azureml_1", made)
    workspace = Workspace.objects.create(name="team", title="Team")
    Image.objects.create(
        workspace=workspace, hash="1" * 32, digest=made.digest, size=1, base="b", base_digest="d"
    )
    assert layer.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    return store.blob_path(layer.digest)


@pytest.mark.django_db
def test_a_whole_store(layer: Path) -> None:
    assert "1 images with 3 blobs are there, 3 read" in only(data.store(deep=False)).message


@pytest.mark.django_db
def test_a_blob_of_a_later_manifest_of_an_index_that_is_gone_is_found(layer: Path, var: Path) -> None:
    store = BlobStore(var / "store")
    index = store_index(store, b"first", b"second", architectures=("amd64", "arm64"))
    Image.objects.update(digest=index.digest)
    assert "1 images with 7 blobs are there" in only(data.store(deep=True)).message

    store.blob_path(layer_of(store, manifests_of(store, index)[1])).unlink()

    assert "is missing" in only(data.store(deep=False)).message


@pytest.mark.django_db
def test_a_blob_with_one_wrong_bit_is_found(layer: Path) -> None:
    damaged = bytearray(layer.read_bytes())
    damaged[5000] ^= 1
    layer.write_bytes(damaged)
    for deep in (False, True):
        finding = only(data.store(deep=deep))
        assert finding.level == Level.WRONG
        assert layer.name in finding.message


@pytest.mark.django_db
@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_blob_that_is_gone_or_short_is_found(layer: Path, harm: str) -> None:
    layer.unlink() if harm == "gone" else os.truncate(layer, 10)
    finding = only(data.store(deep=False))
    assert finding.level == Level.WRONG
    assert ("is missing" if harm == "gone" else "has 10 bytes") in finding.message


@pytest.mark.django_db
def test_an_index_that_cannot_be_read_is_found(layer: Path, var: Path) -> None:
    (var / "store" / "index.json").write_text("{")
    assert only(data.store(deep=False)).level == Level.WRONG


def test_a_disk_that_is_nearly_full(settings: Settings, small_disk: Callable[[str], Path]) -> None:
    settings.VAR = small_disk("size=4m")
    assert only(data.disk()).level == Level.WRONG


def test_a_disk_that_will_be_full(settings: Settings, small_disk: Callable[[str], Path]) -> None:
    settings.VAR = small_disk("size=3g")
    assert only(data.disk()).level == Level.WARNING


@pytest.mark.django_db
def test_a_store_that_cannot_be_written(settings: Settings, small_disk: Callable[[str], Path]) -> None:
    settings.VAR = small_disk("ro")
    settings.STORE = settings.VAR / "store"
    assert "cannot be written" in only(data.store(deep=False)).message


# Outside


def closed() -> str:
    """Return an address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}/simple"


def test_an_index_that_does_not_answer(settings: Settings) -> None:
    settings.INDEX_URL = closed().replace("//", "//ana:secret@")
    finding = only(outside.index())
    assert finding.level == Level.WRONG
    assert "secret" not in finding.message  # rule 44


def test_mirrors_that_answer_and_that_do_not(settings: Settings, registry: Registry) -> None:
    settings.REGISTRY_MIRRORS = {"docker.io": registry.address, "ghcr.io": f"127.0.0.1:{free_port()}"}
    assert [finding.level for finding in outside.mirrors()] == [Level.OK, Level.WRONG]


def test_channels_that_are_there_and_that_are_not(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "repodata.json").write_text("{}")
    settings.CHANNEL_MIRRORS = {
        "here": tmp_path.as_uri(),
        "gone": f"{tmp_path.as_uri()}/gone",
        "shut": closed(),
    }
    assert [f.level for f in outside.channels()] == [Level.OK, Level.WRONG, Level.WRONG]


def test_an_engine_that_is_not_there_is_only_a_warning(settings: Settings, tmp_path: Path) -> None:
    settings.DOCKER_HOST = f"unix://{tmp_path}/nobody.sock"
    assert only(outside.engine()).level == Level.WARNING


def test_an_engine_that_answers(settings: Settings, docker_engine: DockerEngine) -> None:
    settings.DOCKER_HOST = docker_engine.host
    answers, confined = outside.engine()
    assert (answers.level, confined.level) == (Level.OK, Level.OK)
    assert "reaches the studio's proxy only" in confined.message


def test_the_pythons_that_bytecode_is_compiled_with_are_listed(settings: Settings, tmp_path: Path) -> None:
    settings.DOCKER_HOST = f"unix://{tmp_path}/nobody.sock"
    settings.PYTHON_DOWNLOADS, settings.PYTHON_FOLDER = False, tmp_path / "pythons"
    here, missing = pythons.pythons()
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (here.level, missing.level) == (Level.OK, Level.WARNING)
    assert own in here.message
    assert "of this machine" in here.message
    assert "3.15" in missing.message

    settings.PYTHON_DOWNLOADS = True
    settings.PYTHON_DOWNLOADS_JSON_URL = "https://mirror.example/list.json"
    assert "3.15 with Pythons that uv installs" in only(pythons.pythons()).message


def test_an_engine_compiles_with_the_python_of_any_base(
    settings: Settings, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    settings.DOCKER_HOST = docker_engine.host
    settings.PYTHON_DOWNLOADS, settings.PYTHON_FOLDER = False, tmp_path / "pythons"
    assert "3.15 with the base image's own Python, in a container" in only(pythons.pythons()).message


def test_code_in_containers_that_is_not_confined_is_reported_and_is_wrong_where_it_must_be(
    settings: Settings, docker_engine: DockerEngine
) -> None:
    settings.DOCKER_HOST, settings.BUILD_NETWORK = docker_engine.host, "default"
    _, finding = outside.engine()
    settings.REQUIRE_CONFINEMENT = True
    _, required = outside.engine()
    settings.BUILD_NETWORK = "none"
    _, without = outside.engine()

    assert [result.level for result in (finding, required, without)] == [Level.WARNING, Level.WRONG, Level.OK]
    assert "STUDIO_BUILD_NETWORK" in finding.message


# Settings and the broker

BROKER = (
    "from studio.operations.checks.set_up import broker; print(*[(f.level, f.message) for f in broker()])"
)


def broker_of(desk: Desk, url: str) -> str:
    done = desk.manage("shell", "--no-imports", "-c", BROKER, CELERY_BROKER_URL=url)
    return done.stdout + done.stderr


def test_redis_that_is_stopped(stoppable_redis: Redis, desk: Desk) -> None:
    assert "WRONG" not in broker_of(desk, stoppable_redis.url)
    with stoppable_redis.outage():
        assert "WRONG" in broker_of(desk, stoppable_redis.url)


def test_rabbitmq_shows_no_password(rabbitmq: RabbitMQ, desk: Desk) -> None:
    answer = broker_of(desk, rabbitmq.url)
    assert "Level.OK" in answer, answer
    assert "**" in answer


def test_settings_that_are_for_trying_out(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    assert only(set_up.settings_()).level == Level.OK
    settings.DEBUG, settings.SECRET_KEY, settings.ALLOWED_HOSTS = True, "short", ["studio.example"]
    messages = " ".join(finding.message for finding in set_up.settings_())
    assert all(word in messages for word in ("DEBUG", "SECRET_KEY", "STUDIO_HTTPS"))


def test_a_machine_that_cannot_confine_is_reported_and_is_wrong_where_it_must(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    assert only(set_up.confinement()).level == Level.OK
    monkeypatch.setattr(set_up, "support", lambda: Support(files=True, network=False, calls=True))

    finding = only(set_up.confinement())
    settings.REQUIRE_CONFINEMENT = True
    required = only(set_up.confinement())

    assert (finding.level, required.level) == (Level.WARNING, Level.WRONG)
    assert "too old for ports" in finding.message
