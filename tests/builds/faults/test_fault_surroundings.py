"""The disk is full, clocks are set, a registry or an engine is away: no build is lost or doubled, no image incomplete."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builds.engine import connection
from builds.engine.connection import LABEL, Engine
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.push import push
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.faults.client import (
    SetUp,
    query,
    request_builds,
    row,
    wait_for,
    wait_until_paused,
    worker_pid,
)
from tests.builds.faults.invariants import assert_invariants
from tests.builds.faults.test_faults import PAUSED, QUICK, SHOP
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel
from tests.builds.imaging.serving import Index
from tests.services.clock import Clock
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.machine_image import import_machine_image
from tests.services.processes import descendants, wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.redis import Redis
from tests.services.servers.registry import Registry
from tests.services.studio import copy_stock

LARGE = 24 * 1024 * 1024


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")


@pytest.fixture
def small_disk(run_folder: Path, stock: Path) -> Iterator[Path]:
    """A separate file system with a studio's data, and room for a third of a large package."""
    disk = run_folder / "small-disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "small-disk", disk], check=True)
    try:
        copy_stock(stock, disk)
        used = sum(file.stat().st_blocks * 512 for file in disk.rglob("*"))
        resize(disk, used + LARGE // 3)
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def resize(disk: Path, size: int) -> None:
    """Resize a file system in memory."""
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def test_a_full_disk_fails_the_build_that_filled_it_and_harms_nothing(
    start_studio: StartStudio, small_disk: Path, tmp_path: Path
) -> None:
    """Database, store and cache are on the disk that is full."""
    folder = tmp_path / "packages"
    make_wheel(folder, "large", files={"large.bin": os.urandom(LARGE)}, stored=["large.bin"])
    make_wheel(folder, "shop", files={"shop.py": ""})
    served = Index(folder)
    with served.server.running():
        studio = start_studio(STUDIO_VAR=str(small_disk), STUDIO_INDEX_URL=served.url, **QUICK)
        too_large = request_builds(studio, tmp_path, too_large="large==1.0\n")

        ends = assert_invariants(studio, too_large, url=studio.url)
        assert (ends["too-large"]["state"], ends["too-large"]["error_code"]) == ("failed", "disk-full")

        resize(small_disk, 10 * LARGE + 2**28)
        again = request_builds(studio, tmp_path, too_large="large==1.0\n")
        ends = assert_invariants(studio, again, url=studio.url)
        assert ends["too-large"]["state"] == "succeeded"


def heartbeat_moves(studio: SetUp, build: str, seconds: float) -> None:
    """Wait for so many seconds of a build's heartbeats: every reconciler has checked it meanwhile."""
    sql = "SELECT heartbeat_at FROM builds_build WHERE id = ?"
    seen: set[object] = set()

    def enough() -> bool:
        seen.add(query(studio, sql, build)[0][0])
        return len(seen) > 2 * seconds / float(QUICK["STUDIO_HEARTBEAT_SECONDS"])

    wait_until(enough, 60, lambda: f"{len(seen)} heartbeats of {row(studio, build)}\n{studio.text()}")


def test_clocks_of_workers_that_are_an_hour_off_take_no_build_from_anybody(
    start_deployment: StartDeployment,
    stock: Path,
    redis_server: Redis,
    open_index: Index,
    clock: Clock,
    tmp_path: Path,
) -> None:
    """One worker's clock is set forward, and back, under its builds, beside a worker whose clock is right."""
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **PAUSED},
        webs=0,
        workers=0,
    )
    wrong = studio.launch_worker(**clock.settings)
    wrong.wait_for_line(r"celery@\S+ ready", 60)
    requested = request_builds(studio, tmp_path, in_fetch=SHOP, in_store="cart==1.0\n")
    wait_until_paused(studio, requested.builds)
    studio.start(webs=0, workers=1)

    for offset in ("+1h", "-1h"):
        clock.set(offset)
        heartbeat_moves(studio, requested.builds["in-fetch"], 4)
    assert {row(studio, build)["attempt"] for build in requested.builds.values()} == {1}

    wrong.kill()  # and its death is noticed despite its clock
    ends = assert_invariants(studio, requested)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 2)}


def test_setting_the_hosts_clock_by_an_hour_runs_each_build_once(
    start_studio: StartStudio,
    stock: Path,
    open_index: Index,
    clock: Clock,
    tmp_path: Path,
) -> None:
    """The embedded studio has one clock: database, web and worker jump together."""
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **PAUSED, **clock.settings)
    requested = request_builds(studio, tmp_path, in_fetch=SHOP, in_store="cart==1.0\n")
    wait_until_paused(studio, requested.builds)

    for offset in ("+1h", "-1h"):
        clock.set(offset)
        heartbeat_moves(studio, requested.builds["in-fetch"], 4)
    more = request_builds(studio, tmp_path, later="till==1.0\n")
    (studio.var / "resume").touch()

    for both in (requested, more):
        ends = assert_invariants(studio, both)
        assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}


class Crash(Recorder):
    """A reporter that calls `crash` once the first bytes have been sent."""

    def __init__(self, crash: Callable[[], object]) -> None:
        super().__init__()
        self.crash = crash

    def progress(self, done: int, total: int, unit: str) -> None:
        super().progress(done, total, unit)
        if done and self.crash is not None:
            self.crash()
            self.crash = lambda: None


def test_a_registry_that_crashes_in_the_middle_of_a_push_has_no_half_image_and_gets_the_rest_later(
    stoppable_registry: Registry, workshop: Workshop, tmp_path: Path
) -> None:
    registry = stoppable_registry
    names = ("one", "two", "three", "four", "five", "six")
    wheels = [
        make_wheel(tmp_path, name, files={f"{name}.bin": os.urandom(LARGE // 6)}, stored=[f"{name}.bin"])
        for name in names
    ]
    image = assemble(empty_base(), *locked(*wheels), ImageSettings(), workshop, Recorder())
    name = f"faults/{tmp_path.name.replace('_', '-')}"

    with pytest.raises(ImageError) as away:
        push(image.descriptor, f"{registry.address}/{name}:1", workshop, Crash(registry.kill))
    registry.start()

    assert (away.value.code, away.value.fault) == ("registry-unreachable", "outside")
    assert registry.tags(name) == []
    push(image.descriptor, f"{registry.address}/{name}:1", workshop, Recorder())
    assert registry.tags(name) == ["1"]


@pytest.fixture(scope="module")
def machine(docker_engine: DockerEngine, registry: Registry) -> dict[str, str]:
    """The settings of a studio with an engine, and with `machine:fault` to start from."""
    name = f"{registry.address}/library/machine"
    image = import_machine_image(docker_engine.client, name, ("/bin/sh", "/bin/sleep"))
    docker_engine.client.images.get(image).tag(name, "fault")
    docker_engine.client.images.push(name, tag="fault")
    docker_engine.client.images.remove(image, force=True)
    return {"DOCKER_HOST": docker_engine.host, "STUDIO_REGISTRY_MIRRORS": f"docker.io={registry.address}"}


def test_an_engine_or_a_worker_killed_in_a_run_step_leaves_no_container(
    start_studio: StartStudio,
    stock: Path,
    machine: dict[str, str],
    docker_engine: DockerEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = start_studio(stock, **QUICK, **machine)
    requested = request_builds(studio, tmp_path, running="FROM machine:fault\nRUN sleep 300\n")

    def containers() -> list[str]:
        return docker_engine.containers(ended=False)

    wait_until(lambda: len(containers()) == 1, 60, studio.text)
    (first,) = containers()
    children = descendants(worker_pid(studio, requested.only))

    os.kill(worker_pid(studio, requested.only), signal.SIGKILL)
    wait_until(lambda: len(containers()) == 1 and containers() != [first], 60, studio.text)

    with docker_engine.outage(crash=True):
        ended = wait_for(studio, requested.only)
    assert (ended["state"], ended["attempt"]) == ("failed", 2)
    assert str(ended["error_code"]).startswith("engine")
    assert_invariants(studio, requested, gone=children)
    wait_until(lambda: containers() == [], 30, lambda: f"left behind: {containers()}")
    # An engine that died could not remove its containers: they remain, ended, and are removed when they are old.
    monkeypatch.setattr(connection, "LEFT_AFTER_SECONDS", -60)
    with Engine.at(docker_engine.host) as engine:
        engine.remove_left_over()
    assert docker_engine.client.api.containers(all=True, filters={"label": LABEL}) == []
