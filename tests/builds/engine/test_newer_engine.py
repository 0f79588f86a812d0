"""A newer Docker Engine, with its images in containerd's store: what it builds, and what it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django.fixtures import Settings
from requests import Response

from builds.engine import build_base
from builds.engine.connection import Engine
from builds.imaging.bases.model import Base
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.definition import Definition
from environments.network.policy import EgressPolicy
from studio.operations.checks import outside
from studio.operations.finding import Level
from tests.builds.engine.test_engine import PROGRAMS, added, push
from tests.services.debian.engine import NewEngine
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


@pytest.fixture(autouse=True)
def nothing_left(containerd_engine: NewEngine) -> Iterator[None]:
    yield
    assert containerd_engine.containers() == []


def build(engine: DockerEngine, workshop: Workshop, text: str) -> Base:
    return build_base(Definition(dockerfile=text), workshop, Quiet(), docker_host=engine.host)


def test_a_dockerfile_gives_the_layers_that_an_older_engine_gives(
    docker_engine: DockerEngine, containerd_engine: NewEngine, workshop: Workshop, tmp_path: Path
) -> None:
    text = "FROM machine:1\nRUN echo made > /tmp/made\n"
    other = Workshop(
        BlobStore(tmp_path / "other"), tmp_path / "cache-2", workshop.mirrors, reach=workshop.reach
    )

    base, older = build(containerd_engine, workshop, text), build(docker_engine, other, text)

    assert added(base, workshop.store) == added(older, other.store)
    assert base.layers[0] == older.layers[0]  # the registry's own


def test_what_its_buildkit_cannot_build_has_a_cause_and_doctor_says_so(
    containerd_engine: NewEngine, workshop: Workshop, settings: Settings
) -> None:
    settings.DOCKER_HOST = containerd_engine.host
    with pytest.raises(ImageError) as refused:
        build(
            containerd_engine,
            workshop,
            "FROM machine:1\nRUN --mount=type=tmpfs,target=/x echo made > /made\n",
        )

    assert (refused.value.code, refused.value.fault) == ("engine-failed", "studio")
    assert "containerd-snapshotter" in refused.value.help
    _answers, doubt, _confined = outside.engine()
    assert doubt.level == Level.WARNING
    assert "BuildKit" in doubt.message


@pytest.mark.parametrize(
    ("version", "lost"), [("27.4.1", True), ("27.5.0", False), ("29.1", False), ("dev", False)]
)
def test_engines_from_27_5_on_lose_no_contexts(
    containerd_engine: NewEngine, version: str, lost: bool
) -> None:
    with Engine.at(containerd_engine.host) as engine:
        engine.version = version
        assert engine.loses_contexts() == lost


def test_buildkits_cache_is_pruned_until_a_pass_finds_nothing(
    containerd_engine: NewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker Engine 28 ends its first pass above the limit, if images share layers with the cache."""
    passes: list[list[str] | None] = [["a", "b"], ["c"], None]
    limits = []

    def prune(url: str, *, params: dict[str, str], timeout: float) -> Response:
        limits.append((urlsplit(url).path.rpartition("/build/")[2], params))
        answer = Response()
        answer.status_code, answer._content = 200, json.dumps({"CachesDeleted": passes.pop(0)}).encode()
        return answer

    with Engine.at(containerd_engine.host) as engine:
        monkeypatch.setattr(engine.api, "post", prune)
        engine.prune_build_cache(5)

    assert passes == []
    assert limits == [("prune", {"keep-storage": "5", "reserved-space": "5", "all": "true"})] * 3
