"""Dockerfiles that read nothing they must not, built by a real engine."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from builds.engine import build_base
from builds.engine.connection import Engine
from builds.engine.local import ELSEWHERE
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.definition import Definition
from environments.network.policy import EgressPolicy
from tests.builds.engine.test_engine import PROGRAMS, added, push
from tests.builds.imaging.serving import Answer, Server
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry


@pytest.fixture(scope="module")
def mirror(docker_engine: DockerEngine, registry: Registry) -> Registry:
    push(docker_engine, registry, "1", PROGRAMS)
    return registry


@pytest.fixture
def workshop(tmp_path: Path, mirror: Registry) -> Workshop:
    return Workshop(
        store=BlobStore(tmp_path / "store"),
        cache=tmp_path / "cache",
        mirrors={"docker.io": mirror.address},
        reach=EgressPolicy.read([mirror.address]),
    )


def build(engine: DockerEngine, workshop: Workshop, text: str) -> Base:
    return build_base(Definition(dockerfile=text), workshop, Quiet(), docker_host=engine.host)


@pytest.fixture
def internal() -> Iterator[Server]:
    with Server(lambda request: (200, {}, b"secret")).running() as server:
        yield server


@pytest.fixture
def outside(internal: Server) -> Iterator[Server]:
    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/moved":
            return 302, {"Location": f"{internal.url}/secret"}, b""
        return 200, {}, b"public"

    with Server(answer).running() as server:
        yield server


def reaching(workshop: Workshop, server: Server, mirror: Registry) -> Workshop:
    """Return a workshop that reaches the registry and this server only."""
    return replace(workshop, reach=EgressPolicy.read([mirror.address, urlsplit(server.url).netloc]))


@pytest.mark.parametrize(
    "where", ["{internal}/secret", "{outside}/moved", "http://[::ffff:127.0.0.1]/secret"]
)
def test_add_reaches_no_internal_address(
    where: str,
    docker_engine: DockerEngine,
    workshop: Workshop,
    mirror: Registry,
    internal: Server,
    outside: Server,
) -> None:
    url = where.format(internal=internal.url, outside=outside.url)

    with pytest.raises(ImageError) as refused:
        build(docker_engine, reaching(workshop, outside, mirror), f"FROM machine:1\nARG U={url}\nADD $U /x\n")

    assert refused.value.code == "address-refused"
    assert internal.requests == []


def test_what_add_fetches_is_in_the_image(
    docker_engine: DockerEngine, workshop: Workshop, mirror: Registry, outside: Server
) -> None:
    workshop = reaching(workshop, outside, mirror)
    digest = hashlib.sha256(b"public").hexdigest()
    text = f"FROM machine:1\nADD --checksum=sha256:{{}} {outside.url}/file.txt /x/\nRUN ls -l /x > /listed\n"

    base = build(docker_engine, workshop, text.format(digest))

    assert added(base, workshop.store)["x/file.txt"] == b"public"
    assert b"-rw-------" in added(base, workshop.store)["listed"]
    with pytest.raises(ImageError, match="checksum") as refused:
        build(docker_engine, workshop, text.format(64 * "0"))
    assert refused.value.code == "add-failed"


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from={} /bin/cat /stolen",
        'COPY --from="{}" /bin/cat /stolen',
        "RUN --mount=type=bind,FROM={},target=/m cat /m/bin/cat > /stolen",
        "RUN true \\\\\nCOPY --from={} /bin/cat /stolen",
    ],
)
def test_images_of_the_engine_are_not_read(
    line: str, docker_engine: DockerEngine, workshop: Workshop, settings: Settings
) -> None:
    settings.LOCAL_IMAGES = False
    with Engine.at(docker_engine.host) as engine:
        private = engine.give(find_base("machine:1", workshop, Quiet()), workshop.store, Quiet())

    with pytest.raises(ImageError) as refused:
        build(docker_engine, workshop, f"FROM machine:1\n{line.format(private)}\n")

    assert refused.value.code in ELSEWHERE


def test_the_triggers_of_a_base_read_no_images_of_the_engine(
    docker_engine: DockerEngine, workshop: Workshop, mirror: Registry, settings: Settings
) -> None:
    settings.LOCAL_IMAGES = False
    with Engine.at(docker_engine.host) as engine:
        private = engine.give(find_base("machine:1", workshop, Quiet()), workshop.store, Quiet())
    for tag, trigger in (("good", "RUN echo ran > /ran"), ("bad", f"COPY --from={private} /bin/cat /stolen")):
        name = f"{mirror.address}/library/machine"
        docker_engine.client.images.build(
            fileobj=io.BytesIO(f"FROM {private}\nONBUILD {trigger}\n".encode()), tag=f"{name}:{tag}", rm=True
        )
        docker_engine.client.images.push(name, tag=tag)
        docker_engine.client.images.remove(f"{name}:{tag}", force=True)

    base = build(docker_engine, workshop, "FROM machine:good\nRUN cat /ran > /again\n")

    assert added(base, workshop.store)["again"] == b"ran\n"
    assert not base.run_config.get("OnBuild")
    with pytest.raises(ImageError) as refused:
        build(docker_engine, workshop, "FROM machine:bad\n")
    assert refused.value.code in ELSEWHERE


def test_buildkits_cache_is_bounded(
    docker_engine: DockerEngine, workshop: Workshop, settings: Settings
) -> None:
    text = "FROM machine:1\nRUN --mount=type=cache,target=/c cat /bin/cat > /c/{0} && cat /bin/cat > /{0}\n"
    settings.BUILD_CACHE = 0
    build(docker_engine, workshop, text.format("a"))
    before = docker_engine.client.df()["BuildCache"]

    settings.BUILD_CACHE = 1
    build(docker_engine, workshop, text.format("b"))

    assert sum(record["Size"] for record in before) > 1
    assert sum(record["Size"] for record in docker_engine.client.df()["BuildCache"] or ()) <= 1
