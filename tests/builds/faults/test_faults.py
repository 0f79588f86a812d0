"""Workers and whole studios are killed in the middle of builds; none is lost, double or under way for ever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.builds.aftermath import (
    ask,
    assert_nothing_is_lost,
    row,
    wait_for,
    wait_until_held,
    worker_pid,
)
from tests.builds.conftest import HeldIndex
from tests.images.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.processes import descendants, wait_until
from tests.services.redis import Redis
from tests.services.studio import Studio

QUICK = {
    "STUDIO_HEARTBEAT_SECONDS": "0.5",
    "STUDIO_LOST_AFTER_SECONDS": "3",
    "STUDIO_RECONCILE_SECONDS": "0.5",
}
HELD = {
    **QUICK,
    "DJANGO_SETTINGS_MODULE": "tests.builds.held_settings",
    "STUDIO_BUILDS_AT_ONCE": "8",
    "STUDIO_LIMIT_AT_ONCE": "8",
}
SHOP = "shop==1.0\n"

# A build for each step, of content of its own, held when the step's work is done. What `build` does takes
# an engine, so that one is held when it begins.
IN_EACH_STEP = {
    "in_base": "shop==1.0\n",
    "in_resolve": "cart==1.0\n",
    "in_fetch": "till==1.0\n",
    "at_build": "source==1.0\n",
    "in_assemble": "desk==1.0\n",
    "in_verify": "shop==1.0\ncart==1.0\n",
    "in_store": "shop==1.0\ntill==1.0\n",
}


def studio_with(start: StartStudio, stock: Path, index: Index, **settings: str) -> Studio:
    """Return a studio that takes its packages from this index."""
    return start(stock, STUDIO_INDEX_URL=index.url, **{**QUICK, **settings})


def wait_for_attempt(studio: Studio, build: str, attempt: int) -> None:
    """Return when a worker has begun this attempt."""

    def begun() -> bool:
        now = row(studio, build)
        return now["attempt"] == attempt and bool(now["worker"])

    wait_until(begun, 30, lambda: str(row(studio, build)))


def assert_made_by_the_second_attempt(ends: dict[str, dict[str, object]]) -> None:
    """Fail unless each build was taken up again, and made: only a source cannot be built without an engine."""
    how = {name: (end["state"], end["attempt"], end["error_code"]) for name, end in ends.items()}
    assert how.pop("at-build") == ("failed", 2, "engine-unreachable")
    assert set(how.values()) == {("succeeded", 2, "")}, how


def test_a_worker_killed_in_each_step_is_replaced_and_every_build_is_made(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **HELD)
    asked = ask(studio, tmp_path, **IN_EACH_STEP)
    wait_until_held(studio, asked.builds)
    worker = worker_pid(studio, asked.builds["in-base"])
    children = descendants(worker)

    os.kill(worker, signal.SIGKILL)

    ends = assert_nothing_is_lost(studio, asked, gone=children)
    assert_made_by_the_second_attempt(ends)


def test_a_worker_killed_in_each_step_leaves_its_builds_to_another_worker(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    broker = redis_server.fresh_url()
    studio = start_deployment(
        stock, {"CELERY_BROKER_URL": broker, "STUDIO_INDEX_URL": open_index.url, **HELD}, webs=0
    )
    asked = ask(studio, tmp_path, **IN_EACH_STEP)
    wait_until_held(studio, asked.builds)
    studio.start(webs=0, workers=1)
    children = studio.workers[0].family()

    studio.workers[0].kill()

    ends = assert_nothing_is_lost(studio, asked, gone=children)
    assert_made_by_the_second_attempt(ends)


def test_a_build_that_kills_its_worker_each_time_ends_as_failed(
    start_studio: StartStudio, stock: Path, index: HeldIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, stock, index)
    asked = ask(studio, tmp_path, shopping=SHOP)

    for attempt in (1, 2, 3):
        wait_for_attempt(studio, asked.only, attempt)
        os.kill(worker_pid(studio, asked.only), signal.SIGKILL)

    assert wait_for(studio, asked.only, "failed")["error_code"] == "worker-died"


def test_ctrl_c_sends_the_build_back_to_the_queue_and_the_next_start_goes_on(
    start_studio: StartStudio, stock: Path, index: HeldIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, stock, index)
    asked = ask(studio, tmp_path, shopping=SHOP)
    assert index.holding.wait(60)
    assert studio.process is not None

    os.killpg(studio.process.pid, signal.SIGINT)

    assert studio.process.wait() == 0
    studio.process.assert_nothing_left()
    stopped = row(studio, asked.only)
    assert (stopped["state"], stopped["attempt"], stopped["worker"]) == ("queued", 0, "")
    index.let_go.set()
    studio.start()
    ends = assert_nothing_is_lost(studio, asked)
    assert (ends["shopping"]["state"], ends["shopping"]["attempt"]) == ("succeeded", 1)


def test_a_studio_killed_whole_leaves_no_process_and_goes_on_at_the_next_start(
    start_studio: StartStudio, stock: Path, index: HeldIndex, tmp_path: Path
) -> None:
    # Its worker is known to be gone: nobody waits until its heartbeats are missed.
    studio = studio_with(start_studio, stock, index, STUDIO_LOST_AFTER_SECONDS="3600")
    asked = ask(studio, tmp_path, shopping=SHOP)
    assert index.holding.wait(60)
    assert studio.process is not None
    assert len(descendants(studio.process.pid)) >= 2

    os.kill(studio.process.pid, signal.SIGKILL)

    studio.process.wait()
    studio.process.assert_nothing_left()
    index.let_go.set()
    studio.start()
    ends = assert_nothing_is_lost(studio, asked)
    assert (ends["shopping"]["state"], ends["shopping"]["attempt"]) == ("succeeded", 2)
