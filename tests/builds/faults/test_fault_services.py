"""What the studio stands on goes away under running builds and open pages: web process, broker, database, disk, engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.builds.aftermath import (
    Watcher,
    ask,
    assert_nothing_is_lost,
    wait_until_held,
)
from tests.builds.test_faults import HELD, IN_EACH_STEP, SHOP
from tests.images.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.postgres import Postgres
from tests.services.processes import descendants
from tests.services.rabbitmq import RabbitMQ
from tests.services.redis import Redis


def let_go(var: Path) -> None:
    """Let builds that are held go on."""
    (var / "let-go").touch()


def test_a_viewer_goes_on_at_the_next_web_process_when_theirs_is_killed(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **HELD},
        webs=2,
    )
    asked = ask(studio, tmp_path, in_fetch=SHOP)
    with Watcher(studio.urls, asked.only, asked.cookies) as watcher:
        watcher.wait_for_line("Held in-fetch.")
        children = studio.webs[0].family()

        studio.webs[0].kill()

        watcher.wait_for_connections(2)
        let_go(studio.var)
        assert_nothing_is_lost(studio, asked, url=studio.urls[1], watchers=[watcher], gone=children)


def test_a_viewer_of_the_embedded_studio_goes_on_when_its_web_process_is_killed(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **HELD)
    asked = ask(studio, tmp_path, in_fetch=SHOP)
    with Watcher([studio.url], asked.only, asked.cookies) as watcher:
        watcher.wait_for_line("Held in-fetch.")
        assert studio.process is not None
        (web,) = [process for process in descendants(studio.process.pid) if "uvicorn" in process.command]

        os.kill(web.pid, signal.SIGKILL)

        watcher.wait_for_connections(2)
        let_go(studio.var)
        assert_nothing_is_lost(studio, asked, url=studio.url, watchers=[watcher])


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_crashes_costs_no_build_and_no_message(
    kind: str,
    request: pytest.FixtureRequest,
    start_deployment: StartDeployment,
    stock: Path,
    open_index: Index,
    tmp_path: Path,
) -> None:
    """One build goes on while the broker is away; one asked for in between is made when it is back."""
    broker: Redis | RabbitMQ = request.getfixturevalue("redis_server" if kind == "redis" else "rabbitmq")
    studio = start_deployment(
        stock, {"CELERY_BROKER_URL": broker.url, "STUDIO_INDEX_URL": open_index.url, **HELD}, webs=0
    )
    asked = ask(studio, tmp_path, in_fetch=SHOP)
    wait_until_held(studio, asked.builds)

    with broker.outage(crash=True):
        meanwhile = ask(studio, tmp_path, meanwhile="cart==1.0\n")
        let_go(studio.var)
        ends = assert_nothing_is_lost(studio, asked)

    assert (ends["in-fetch"]["state"], ends["in-fetch"]["attempt"]) == ("succeeded", 1)
    ends = assert_nothing_is_lost(studio, meanwhile)
    assert (ends["meanwhile"]["state"], ends["meanwhile"]["attempt"]) == ("succeeded", 1)


def test_messages_that_the_broker_lost_are_sent_again(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **HELD},
        webs=0,
        workers=0,
    )
    asked = ask(studio, tmp_path, one=SHOP, two="cart==1.0\n", three="till==1.0\n")

    redis_server.empty(studio.settings["CELERY_BROKER_URL"])
    studio.start(webs=0, workers=2)

    ends = assert_nothing_is_lost(studio, asked)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}


def test_a_database_that_restarts_costs_no_build_no_line_and_no_attempt(
    start_deployment: StartDeployment,
    stock: Path,
    postgres: Postgres,
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
            **HELD,
            "STUDIO_LOST_AFTER_SECONDS": "20",
        },
    )
    asked = ask(studio, tmp_path, **{name: text for name, text in IN_EACH_STEP.items() if name != "at_build"})
    wait_until_held(studio, asked.builds)
    with Watcher(studio.urls, asked.builds["in-fetch"], asked.cookies) as watcher:
        watcher.wait_for_line("Held in-fetch.")

        with postgres.outage(crash=True):
            let_go(studio.var)
            # The builds have noticed: what they have to say waits.
            studio.workers[0].wait_for_line("The database does not answer", 30)

        ends = assert_nothing_is_lost(studio, asked, url=studio.urls[0], watchers=[watcher])
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}, ends
