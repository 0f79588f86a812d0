"""The disk is full, clocks are set, a registry or an engine is away: no build is lost, double, or half an image."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builds.engine import connection
from builds.engine.connection import LABEL, Engine
from builds.images import BlobStore, ImageError, ImageSettings, Workshop, assemble, push
from tests.builds.aftermath import (
    SetUp,
    ask,
    assert_nothing_is_lost,
    query,
    row,
    wait_for,
    wait_until_held,
    worker_pid,
)
from tests.builds.test_faults import HELD, QUICK, SHOP
from tests.images.conftest import Recorder
from tests.images.making import empty_base, locked, make_wheel
from tests.images.serving import Index
from tests.services.clock import Clock
from tests.services.docker_engine import DockerEngine
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.machine_image import import_machine_image
from tests.services.processes import descendants, wait_until
from tests.services.redis import Redis
from tests.services.registry import Registry
from tests.services.studio import copy_stock

LARGE = 24 * 1024 * 1024


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")


@pytest.fixture
def small_disk(run_folder: Path, stock: Path) -> Iterator[Path]:
    """A file system of its own with a studio's data on it, and room for a third of a large package."""
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
    """Give a file system in memory another size."""
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
        too_large = ask(studio, tmp_path, too_large="large==1.0\n")

        ends = assert_nothing_is_lost(studio, too_large, url=studio.url)
        assert (ends["too-large"]["state"], ends["too-large"]["error_code"]) == ("failed", "disk-full")

        resize(small_disk, 10 * LARGE + 2**28)
        again = ask(studio, tmp_path, too_large="large==1.0\n")
        ends = assert_nothing_is_lost(studio, again, url=studio.url)
        assert ends["too-large"]["state"] == "succeeded"


def heartbeat_moves(studio: SetUp, build: str, seconds: float) -> None:
    """Return when a build's heart has beaten for so long: every reconciler has looked at it meanwhile."""
    question = "SELECT heartbeat_at FROM builds_build WHERE id = ?"
    seen: set[object] = set()

    def beaten() -> bool:
        seen.add(query(studio, question, build)[0][0])
        return len(seen) > 2 * seconds / float(QUICK["STUDIO_HEARTBEAT_SECONDS"])

    wait_until(beaten, 60, lambda: f"{len(seen)} heartbeats of {row(studio, build)}\n{studio.text()}")


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
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **HELD},
        webs=0,
        workers=0,
    )
    wrong = studio.launch_worker(**clock.settings)
    wrong.wait_for_line(r"celery@\S+ ready", 60)
    asked = ask(studio, tmp_path, in_fetch=SHOP, in_store="cart==1.0\n")
    wait_until_held(studio, asked.builds)
    studio.start(webs=0, workers=1)

    for offset in ("+1h", "-1h"):
        clock.set(offset)
        heartbeat_moves(studio, asked.builds["in-fetch"], 4)
    assert {row(studio, build)["attempt"] for build in asked.builds.values()} == {1}

    wrong.kill()  # and is found dead, whatever its clock said
    ends = assert_nothing_is_lost(studio, asked)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 2)}


def test_a_machine_whose_clock_is_set_by_an_hour_makes_each_build_once(
    start_studio: StartStudio,
    stock: Path,
    open_index: Index,
    clock: Clock,
    tmp_path: Path,
) -> None:
    """The embedded studio has one clock: database, web and worker jump together."""
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **HELD, **clock.settings)
    asked = ask(studio, tmp_path, in_fetch=SHOP, in_store="cart==1.0\n")
    wait_until_held(studio, asked.builds)

    for offset in ("+1h", "-1h"):
        clock.set(offset)
        heartbeat_moves(studio, asked.builds["in-fetch"], 4)
    more = ask(studio, tmp_path, later="till==1.0\n")
    (studio.var / "let-go").touch()

    for both in (asked, more):
        ends = assert_nothing_is_lost(studio, both)
        assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}


class Crash(Recorder):
    """A reporter that lets something happen when the first bytes have been sent."""

    def __init__(self, what: Callable[[], object]) -> None:
        super().__init__()
        self.what = what

    def progress(self, done: int, total: int, unit: str) -> None:
        super().progress(done, total, unit)
        if done and self.what is not None:
            self.what()
            self.what = lambda: None


def test_a_registry_that_crashes_in_the_middle_of_a_push_has_no_half_image_and_gets_the_rest_later(
    registry: Registry, workshop: Workshop, tmp_path: Path
) -> None:

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
    asked = ask(studio, tmp_path, running="FROM machine:fault\nRUN sleep 300\n")

    def containers() -> list[str]:
        return [str(one.id) for one in docker_engine.client.containers.list()]

    wait_until(lambda: len(containers()) == 1, 60, studio.text)
    (first,) = containers()
    children = descendants(worker_pid(studio, asked.only))

    os.kill(worker_pid(studio, asked.only), signal.SIGKILL)
    wait_until(lambda: len(containers()) == 1 and containers() != [first], 60, studio.text)

    with docker_engine.outage(crash=True):
        ended = wait_for(studio, asked.only)
    assert (ended["state"], ended["attempt"]) == ("failed", 2)
    assert str(ended["error_code"]).startswith("engine")
    assert_nothing_is_lost(studio, asked, gone=children)
    wait_until(lambda: containers() == [], 30, lambda: f"left behind: {containers()}")
    # An engine that died had no time to remove what it ran: that lies there ended, and goes when it is old.
    monkeypatch.setattr(connection, "LEFT_AFTER_SECONDS", -60)
    with Engine.at(docker_engine.host) as engine:
        engine.remove_left_over()
    assert docker_engine.client.containers.list(all=True, filters={"label": LABEL}) == []
