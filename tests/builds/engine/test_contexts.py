"""Build contexts as Docker has them: compared by a build in a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.engine import build_base
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from environments.definition import read_path
from tests.builds.engine.test_engine import added, push
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry


@pytest.fixture
def workshop(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: DockerEngine, registry: Registry
) -> Workshop:
    push(docker_engine, registry, "1")
    folder = tmp_path_factory.mktemp("workshop")
    mirrors = {"docker.io": registry.address}
    return Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", mirrors=mirrors)


@pytest.mark.parametrize("flag", ["", "--chmod=755 "], ids=["classic", "buildkit"])
def test_empty_folders_and_links_are_copied_as_docker_copies_them(
    docker_engine: DockerEngine, workshop: Workshop, tmp_path: Path, flag: str
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("a")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "Dockerfile").write_text(
        f"FROM machine:1\nCOPY {flag}logs /tmp/logs\nCOPY . /tmp/all\nRUN ls -ld /tmp/logs /tmp/all/* > /tmp/listing\n"
    )
    reading = read_path(tmp_path)
    assert reading.definition is not None, reading.errors

    base = build_base(reading.definition, workshop, Quiet(), docker_host=docker_engine.host)

    listing = added(base, workshop.store)["tmp/listing"].decode().splitlines()
    kinds = {line.partition(" /tmp/")[2]: line[0] for line in listing}
    assert kinds["logs"] == kinds["all/logs"] == "d"
    assert kinds["all/alias -> real"] == "l"
