"""Services go away under running builds and open pages: web process, broker, database."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kombu
import pytest

from tests.builds.faults.client import Watcher, request_builds, wait_until_paused
from tests.builds.faults.invariants import assert_invariants
from tests.builds.faults.test_faults import IN_EACH_STEP, PAUSED, SHOP
from tests.builds.imaging.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.processes import descendants
from tests.services.servers.postgres import Postgres
from tests.services.servers.rabbitmq import RabbitMQ
from tests.services.servers.redis import Redis


def resume(var: Path) -> None:
    """Resume the paused builds."""
    (var / "resume").touch()


def test_a_viewer_reconnects_to_another_web_process_when_theirs_is_killed(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **PAUSED},
        webs=2,
    )
    requested = request_builds(studio, tmp_path, in_fetch=SHOP)
    with Watcher(studio.urls, requested.only, requested.cookies) as watcher:
        watcher.wait_for_line("Paused in-fetch.")
        children = studio.webs[0].family()

        studio.webs[0].kill()

        watcher.wait_for_connections(2)
        resume(studio.var)
        assert_invariants(studio, requested, url=studio.urls[1], watchers=[watcher], gone=children)


def test_a_viewer_of_the_embedded_studio_reconnects_when_its_web_process_is_killed(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **PAUSED)
    requested = request_builds(studio, tmp_path, in_fetch=SHOP)
    with Watcher([studio.url], requested.only, requested.cookies) as watcher:
        watcher.wait_for_line("Paused in-fetch.")
        assert studio.process is not None
        (web,) = [process for process in descendants(studio.process.pid) if process.name == "studio-web"]

        os.kill(web.pid, signal.SIGKILL)

        watcher.wait_for_connections(2)
        resume(studio.var)
        assert_invariants(studio, requested, url=studio.url, watchers=[watcher])


@contextmanager
def keeping_a_letter(broker: Redis | RabbitMQ) -> Iterator[None]:
    """Hold up that RabbitMQ delivers after the block what it confirmed before; Redis keeps its messages in memory."""
    if isinstance(broker, Redis):
        yield
        return
    confirmed = kombu.Connection(broker.url, transport_options={"confirm_publish": True})
    with confirmed as connection, connection.SimpleQueue("letters") as queue:
        queue.put("a letter")
    yield
    with kombu.Connection(broker.url) as connection, connection.SimpleQueue("letters") as queue:
        assert queue.get(timeout=60).payload == "a letter"


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_crashes_costs_no_build_and_no_message(
    kind: str,
    request: pytest.FixtureRequest,
    start_deployment: StartDeployment,
    stock: Path,
    open_index: Index,
    tmp_path: Path,
) -> None:
    """A running build continues while the broker is away; a build requested meanwhile runs when it is back."""
    broker: Redis | RabbitMQ = request.getfixturevalue(f"stoppable_{kind}")
    studio = start_deployment(
        stock, {"CELERY_BROKER_URL": broker.url, "STUDIO_INDEX_URL": open_index.url, **PAUSED}, webs=0
    )
    requested = request_builds(studio, tmp_path, in_fetch=SHOP)
    wait_until_paused(studio, requested.builds)

    with keeping_a_letter(broker), broker.outage(crash=True):
        meanwhile = request_builds(studio, tmp_path, meanwhile="cart==1.0\n")
        resume(studio.var)
        ends = assert_invariants(studio, requested)

    assert (ends["in-fetch"]["state"], ends["in-fetch"]["attempt"]) == ("succeeded", 1)
    ends = assert_invariants(studio, meanwhile)
    assert (ends["meanwhile"]["state"], ends["meanwhile"]["attempt"]) == ("succeeded", 1)


def test_messages_that_the_broker_lost_are_sent_again(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **PAUSED},
        webs=0,
        workers=0,
    )
    requested = request_builds(studio, tmp_path, first=SHOP, second="cart==1.0\n", third="till==1.0\n")

    redis_server.empty(studio.settings["CELERY_BROKER_URL"])
    studio.start(webs=0, workers=2)

    ends = assert_invariants(studio, requested)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}


def test_a_database_that_restarts_costs_no_build_no_line_and_no_attempt(
    start_deployment: StartDeployment,
    stock: Path,
    stoppable_postgres: Postgres,
    redis_server: Redis,
    open_index: Index,
    tmp_path: Path,
) -> None:
    """PostgreSQL crashes (as with an immediate shutdown) under a build in each step and an open page."""
    studio = start_deployment(
        stock,
        {
            "CELERY_BROKER_URL": redis_server.fresh_url(),
            "STUDIO_INDEX_URL": open_index.url,
            **PAUSED,
            "STUDIO_LOST_AFTER_SECONDS": "20",
        },
        database=stoppable_postgres,
    )
    requested = request_builds(
        studio, tmp_path, **{name: text for name, text in IN_EACH_STEP.items() if name != "at_build"}
    )
    wait_until_paused(studio, requested.builds)
    with Watcher(studio.urls, requested.builds["in-fetch"], requested.cookies) as watcher:
        watcher.wait_for_line("Paused in-fetch.")

        with stoppable_postgres.outage(crash=True):
            resume(studio.var)
            # The builds have noticed: their writes wait.
            studio.workers[0].wait_for_line("The database does not answer", 30)

        ends = assert_invariants(studio, requested, url=studio.urls[0], watchers=[watcher])
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}, ends
