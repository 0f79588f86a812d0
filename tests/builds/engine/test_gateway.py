"""The network of code in containers, with a real engine: chosen by settings, and with nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from builds.engine import build_base
from builds.engine.connection import Engine
from builds.engine.gateway.image import ARGV
from builds.imaging.bases.model import Base
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition import Definition
from tests.builds.engine.test_engine import PROGRAMS, Listener, Wire, added, push
from tests.services.processes import wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

CLASSIC, BUILDKIT = "", "--mount=type=tmpfs,target=/tmp/x "
INTERFACES = "FROM machine:1\nRUN {}ls /sys/class/net > /tmp/interfaces\n"
FOREVER = """
import os, signal, sys
from builds.engine.connection import Engine
from builds.engine.gateway.link import gateway
from builds.imaging.reporting import Quiet
with Engine.at(sys.argv[1]) as engine, gateway(engine, 9, Quiet()) as identifier:
    print(identifier, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def mirror(docker_engine: DockerEngine, registry: Registry) -> Registry:
    push(docker_engine, registry, "1", PROGRAMS)
    return registry


@pytest.fixture
def workshop(tmp_path: Path, mirror: Registry) -> Workshop:
    mirrors = {"docker.io": mirror.address}
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", mirrors=mirrors)


@pytest.fixture
def own_network(docker_engine: DockerEngine) -> Iterator[str]:
    """A Docker network that an operator made."""
    made = docker_engine.client.networks.create("operators", internal=True)
    yield "operators"
    made.remove()


def built(text: str, workshop: Workshop, listener: Listener, host: str) -> Base:
    return build_base(Definition(dockerfile=text), workshop, listener, docker_host=host)


def interfaces(kind: str, workshop: Workshop, listener: Listener, engine: DockerEngine) -> list[str]:
    """Return the network interfaces that RUN has."""
    base = built(INTERFACES.format(kind), workshop, listener, engine.host)
    return added(base, workshop.store)["tmp/interfaces"].decode().split()


def test_run_has_the_loopback_only_and_the_proxy_in_its_environment(
    docker_engine: DockerEngine, workshop: Workshop
) -> None:
    text = "FROM machine:1\nRUN ls /sys/class/net > /tmp/interfaces && echo $https_proxy > /tmp/proxy\n"

    base = built(text, workshop, Listener(), docker_engine.host)

    assert added(base, workshop.store)["tmp/interfaces"] == b"lo\n"
    assert added(base, workshop.store)["tmp/proxy"] == b"http://127.0.0.1:3128\n"
    assert "3128" not in str(base.config)
    assert docker_engine.containers() == []


def test_an_engine_behind_tcp_is_confined_too(docker_engine: DockerEngine, workshop: Workshop) -> None:
    wire = Wire(docker_engine)

    base = built(INTERFACES.format(CLASSIC), workshop, Listener(), wire.host)

    assert added(base, workshop.store)["tmp/interfaces"] == b"lo\n"
    wire.cut()


def test_buildkit_is_reported_and_has_no_network_where_confinement_is_required(
    docker_engine: DockerEngine, workshop: Workshop, settings: Settings
) -> None:
    free, confined = Listener(), Listener()
    assert interfaces(BUILDKIT, workshop, free, docker_engine) == ["eth0", "lo"]

    settings.REQUIRE_CONFINEMENT = True
    text = INTERFACES.format(BUILDKIT) + "RUN true\n"
    base = built(text, workshop, confined, docker_engine.host)

    assert added(base, workshop.store)["tmp/interfaces"] == b"lo\n"
    assert any("RUN is not confined here" in line for line in free.lines)
    assert any("RUN has no network here" in line for line in confined.lines)


@pytest.mark.parametrize("kind", [CLASSIC, BUILDKIT], ids=["classic", "buildkit"])
def test_an_operator_takes_the_network_away(
    kind: str, docker_engine: DockerEngine, workshop: Workshop, settings: Settings
) -> None:
    settings.BUILD_NETWORK = "none"

    assert interfaces(kind, workshop, Listener(), docker_engine) == ["lo"]


def test_an_operator_names_a_network_which_buildkit_cannot_use(
    docker_engine: DockerEngine, workshop: Workshop, settings: Settings, own_network: str
) -> None:
    settings.BUILD_NETWORK = own_network

    assert interfaces(CLASSIC, workshop, Listener(), docker_engine) == ["eth0", "lo"]
    for network in (own_network, "container:studio-gateway"):
        settings.BUILD_NETWORK = network
        with pytest.raises(ImageError, match="not supported by buildkit"):
            interfaces(BUILDKIT, workshop, Listener(), docker_engine)


def test_where_no_gateway_runs_the_log_reports_it_and_required_confinement_ends_the_build(
    docker_engine: DockerEngine, workshop: Workshop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    listener = Listener()
    assert interfaces(CLASSIC, workshop, listener, docker_engine) == ["eth0", "lo"]
    assert any("not confined here" in line and "riscv64" in line for line in listener.lines)

    settings.REQUIRE_CONFINEMENT = True
    with pytest.raises(ImageError, match="riscv64") as refused:
        built(INTERFACES.format(CLASSIC) + "RUN true\n", workshop, listener, docker_engine.host)
    assert refused.value.code == "cannot-confine"


def test_a_gateway_that_does_not_start_ends_the_build_with_its_last_words(
    docker_engine: DockerEngine, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = (*ARGV[:-1], "raise SystemExit('no such luck')")
    monkeypatch.setattr("builds.engine.gateway.link.ARGV", failing)

    with pytest.raises(ImageError, match="no such luck") as failed:
        interfaces(CLASSIC, workshop, Listener(), docker_engine)

    assert (failed.value.code, failed.value.fault) == ("engine-failed", "studio")
    assert docker_engine.containers() == []


def test_a_gateway_ends_with_its_worker(docker_engine: DockerEngine) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOREVER, docker_engine.host], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip(), done.stderr
    with Engine.at(docker_engine.host) as engine:
        wait_until(lambda: not engine.api.containers(all=True), 30, "the gateway goes on")
