"""Workers and whole studios are killed in the middle of builds; no build is lost, doubled or running forever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.builds.conftest import PausedIndex
from tests.builds.faults.client import request_builds, row, wait_for, wait_until_paused, worker_pid
from tests.builds.faults.invariants import assert_invariants
from tests.builds.imaging.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.processes import descendants, wait_until
from tests.services.servers.redis import Redis
from tests.services.studio import Studio

QUICK = {
    "STUDIO_HEARTBEAT_SECONDS": "0.5",
    "STUDIO_LOST_AFTER_SECONDS": "3",
    "STUDIO_RECONCILE_SECONDS": "1",
}
PAUSED = {
    **QUICK,
    "DJANGO_SETTINGS_MODULE": "tests.builds.faults.paused_step_settings",
    "STUDIO_BUILDS_AT_ONCE": "8",
    "STUDIO_LIMIT_AT_ONCE": "8",
}
SHOP = "shop==1.0\n"

# A build for each step, each with different content, paused when the step's work is done. The work of `build` needs
# an engine, so its build is paused at the beginning.
IN_EACH_STEP = {
    "in_base": "shop==1.0\n",
    "in_resolve": "cart==1.0\n",
    "in_fetch": "till==1.0\n",
    "at_build": "source==1.0\n",
    "in_assemble": "desk==1.0\n",
    "in_verify": "shop==1.0\ncart==1.0\n",
    "in_store": "shop==1.0\ntill==1.0\n",
}
# Before, while and after an image is made: faults other than a worker's death are the same in the rest.
IN_SOME_STEPS = {name: IN_EACH_STEP[name] for name in ("in_fetch", "in_assemble", "in_store")}


def studio_with(start: StartStudio, stock: Path, index: Index, **settings: str) -> Studio:
    """Start a studio with this index."""
    return start(stock, STUDIO_INDEX_URL=index.url, **{**QUICK, **settings})


def wait_for_attempt(studio: Studio, build: str, attempt: int) -> None:
    """Wait until a worker has begun this attempt."""

    def begun() -> bool:
        now = row(studio, build)
        return now["attempt"] == attempt and bool(now["worker"])

    wait_until(begun, 30, lambda: str(row(studio, build)))


def assert_made_by_the_second_attempt(ends: dict[str, dict[str, object]]) -> None:
    """Fail unless the second attempt of each build succeeded; only the source cannot be built without an engine."""
    ends_by_name = {name: (end["state"], end["attempt"], end["error_code"]) for name, end in ends.items()}
    assert ends_by_name.pop("at-build") == ("failed", 2, "engine-unreachable")
    assert set(ends_by_name.values()) == {("succeeded", 2, "")}, ends_by_name


def test_a_worker_that_is_killed_is_replaced_and_every_build_is_made(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **PAUSED)
    requested = request_builds(studio, tmp_path, **IN_SOME_STEPS)
    wait_until_paused(studio, requested.builds)
    worker = worker_pid(studio, requested.builds["in-fetch"])
    children = descendants(worker)

    os.kill(worker, signal.SIGKILL)

    ends = assert_invariants(studio, requested, gone=children)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 2)}, ends


def test_a_worker_killed_in_each_step_leaves_its_builds_to_another_worker(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    broker = redis_server.fresh_url()
    studio = start_deployment(
        stock, {"CELERY_BROKER_URL": broker, "STUDIO_INDEX_URL": open_index.url, **PAUSED}, webs=0
    )
    requested = request_builds(studio, tmp_path, **IN_EACH_STEP)
    wait_until_paused(studio, requested.builds)
    studio.start(webs=0, workers=1)
    children = studio.workers[0].family()

    studio.workers[0].kill()

    ends = assert_invariants(studio, requested, gone=children)
    assert_made_by_the_second_attempt(ends)


def test_a_build_that_kills_its_worker_each_time_ends_as_failed(
    start_studio: StartStudio, stock: Path, index: PausedIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, stock, index)
    requested = request_builds(studio, tmp_path, shopping=SHOP)

    for attempt in (1, 2, 3):
        wait_for_attempt(studio, requested.only, attempt)
        os.kill(worker_pid(studio, requested.only), signal.SIGKILL)

    assert wait_for(studio, requested.only, "failed")["error_code"] == "worker-died"


def test_ctrl_c_requeues_the_build_and_the_next_start_continues_it(
    start_studio: StartStudio, stock: Path, index: PausedIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, stock, index)
    requested = request_builds(studio, tmp_path, shopping=SHOP)
    assert index.paused.wait(60)
    assert studio.process is not None

    os.killpg(studio.process.pid, signal.SIGINT)

    assert studio.process.wait() == 0
    studio.process.assert_nothing_left()
    stopped = row(studio, requested.only)
    assert (stopped["state"], stopped["attempt"], stopped["worker"]) == ("queued", 0, "")
    index.resume.set()
    studio.start()
    ends = assert_invariants(studio, requested)
    assert (ends["shopping"]["state"], ends["shopping"]["attempt"]) == ("succeeded", 1)


def test_a_studio_killed_with_all_processes_continues_at_the_next_start(
    start_studio: StartStudio, stock: Path, index: PausedIndex, tmp_path: Path
) -> None:
    # The start knows that the worker is dead, and does not wait for missed heartbeats.
    studio = studio_with(start_studio, stock, index, STUDIO_LOST_AFTER_SECONDS="3600")
    requested = request_builds(studio, tmp_path, shopping=SHOP)
    assert index.paused.wait(60)
    assert studio.process is not None
    assert len(descendants(studio.process.pid)) >= 2

    os.kill(studio.process.pid, signal.SIGKILL)

    studio.process.wait()
    studio.process.assert_nothing_left()
    index.resume.set()
    studio.start()
    ends = assert_invariants(studio, requested)
    assert (ends["shopping"]["state"], ends["shopping"]["attempt"]) == ("succeeded", 2)
