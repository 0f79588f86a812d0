"""Processes and networks that fall silent without an end, a log that a power cut truncated, two studios on one folder."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.builds.faults.client import Watcher, query, request_builds, row, wait_until_paused
from tests.builds.faults.invariants import assert_invariants
from tests.builds.faults.test_faults import IN_SOME_STEPS, PAUSED, QUICK, SHOP
from tests.builds.imaging.serving import Index
from tests.services.fixtures import StartDeployment, StartStudio
from tests.services.parts import program
from tests.services.processes import kill, wait_until
from tests.services.servers.postgres import Postgres
from tests.services.servers.redis import Redis
from tests.services.studio import Studio

WAL_HEADER_BYTES = 32


@contextmanager
def partition(port: int, run_folder: Path) -> Iterator[None]:
    """Drop every packet from and to a port of this machine during the block, without an answer."""
    iptables = [str(program("iptables")), "--wait"]
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP"] for side in ("--dport", "--sport")
    ]
    with (run_folder / "undo").open("a") as undo:  # for the reaper, if the test is killed
        undo.writelines(json.dumps([*iptables, "-D", *rule]) + "\n" for rule in rules)
    for rule in rules:
        subprocess.run([*iptables, "-I", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run([*iptables, "-D", *rule], check=True)


def test_a_worker_that_is_stopped_for_long_loses_its_builds_and_doubles_none_when_it_continues(
    start_deployment: StartDeployment, stock: Path, redis_server: Redis, open_index: Index, tmp_path: Path
) -> None:
    """As a machine that is suspended, or a debugger that is attached."""
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": redis_server.fresh_url(), "STUDIO_INDEX_URL": open_index.url, **PAUSED},
        webs=0,
    )
    requested = request_builds(studio, tmp_path, **IN_SOME_STEPS)
    wait_until_paused(studio, requested.builds)
    studio.start(webs=0, workers=1)
    stopped, other = studio.workers

    kill(stopped.family(), signal.SIGSTOP)
    ends = assert_invariants(studio, requested)
    (studio.var / "resume").touch()
    kill(stopped.family(), signal.SIGCONT)

    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 2)}, ends
    # It notices that its builds are another's, and works on: a build of its own ends well.
    other.kill_family()
    more = request_builds(studio, tmp_path, later="till==1.0\ndesk==1.0\n")
    ends = assert_invariants(studio, more)
    assert (ends["later"]["state"], ends["later"]["attempt"]) == ("succeeded", 1)
    assert_invariants(studio, requested)
    assert {row(studio, build)["attempt"] for build in requested.builds.values()} == {2}


def test_a_network_that_drops_everything_to_the_database_costs_no_build_and_no_line(
    start_deployment: StartDeployment,
    stock: Path,
    stoppable_postgres: Postgres,
    redis_server: Redis,
    open_index: Index,
    run_folder: Path,
    tmp_path: Path,
) -> None:
    studio = start_deployment(
        stock,
        {
            "CELERY_BROKER_URL": redis_server.fresh_url(),
            "STUDIO_INDEX_URL": open_index.url,
            **PAUSED,
            "STUDIO_LOST_AFTER_SECONDS": "40",
        },
        database=stoppable_postgres,
    )
    requested = request_builds(studio, tmp_path, **IN_SOME_STEPS)
    wait_until_paused(studio, requested.builds)
    with Watcher(studio.urls, requested.builds["in-fetch"], requested.cookies) as watcher:
        watcher.wait_for_line("Paused in-fetch.")

        with partition(stoppable_postgres.port, run_folder):
            (studio.var / "resume").touch()
            silent_for(stoppable_postgres, 5)

        ends = assert_invariants(studio, requested, url=studio.urls[0], watchers=[watcher], seconds=120)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}, ends


def silent_for(postgres: Postgres, attempts: int) -> None:
    """Return when so many connections, a few seconds each, were attempted in vain."""
    left = attempts

    def given_up() -> bool:
        nonlocal left
        assert not postgres.answers()
        left -= 1
        return left == 0

    wait_until(given_up, 120, "the database answers through the partition")


def test_a_broker_that_drops_everything_costs_no_build(
    start_deployment: StartDeployment,
    stock: Path,
    stoppable_redis: Redis,
    open_index: Index,
    run_folder: Path,
    tmp_path: Path,
) -> None:
    studio = start_deployment(
        stock,
        {"CELERY_BROKER_URL": stoppable_redis.url, "STUDIO_INDEX_URL": open_index.url, **PAUSED},
        webs=0,
    )
    requested = request_builds(studio, tmp_path, in_fetch=SHOP)
    wait_until_paused(studio, requested.builds)

    with partition(stoppable_redis.port, run_folder):
        (studio.var / "resume").touch()
        ends = assert_invariants(studio, requested)

    assert (ends["in-fetch"]["state"], ends["in-fetch"]["attempt"]) == ("succeeded", 1)
    more = request_builds(studio, tmp_path, later="cart==1.0\n")
    ends = assert_invariants(studio, more, seconds=120)
    assert (ends["later"]["state"], ends["later"]["attempt"]) == ("succeeded", 1)


def test_a_studio_whose_last_writes_a_power_cut_tore_starts_consistent(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    """SQLite's log ends in the middle of a transaction: that and what followed never happened."""
    studio = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **QUICK)
    for share, before, after in ((0.9, "shop", "till"), (0.5, "cart", "desk")):
        with unplugged(studio, share):
            made = request_builds(studio, tmp_path, **{before: f"{before}==1.0\n"})
            assert_invariants(studio, made)

        studio.start()

        with closing(sqlite3.connect(studio.var / "studio.sqlite3", timeout=20)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        # Builds that the log still had go on; those it lost can be requested again.
        kept = {build for (build,) in query(studio, "SELECT id FROM builds_build")}
        wait_until(lambda: all_ended(studio), 60, studio.text)
        assert kept == {build for (build,) in query(studio, "SELECT id FROM builds_build")}
        more = request_builds(studio, tmp_path, **{after: f"{after}==1.0\n"})
        assert {end["state"] for end in assert_invariants(studio, more).values()} == {"succeeded"}


@contextmanager
def unplugged(studio: Studio, share: float) -> Iterator[None]:
    """Kill the studio at the end of the block, and keep only this share of what its database's log has then."""
    database, log = studio.var / "studio.sqlite3", studio.var / "studio.sqlite3-wal"
    # The last connection that closes would empty the log into the database.
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT count(*) FROM builds_build").fetchone()
        yield
        assert studio.process is not None
        studio.process.kill_family()
        on_disk, written = database.read_bytes(), log.read_bytes()
    database.write_bytes(on_disk)
    log.write_bytes(written[: int(len(written) * share)])
    assert log.stat().st_size > WAL_HEADER_BYTES


def all_ended(studio: Studio) -> bool:
    (left,) = query(studio, "SELECT count(*) FROM builds_build WHERE state IN ('queued', 'running')")
    return left == (0,)


def test_two_studios_on_one_folder_build_each_request_once(
    start_studio: StartStudio, stock: Path, open_index: Index, tmp_path: Path
) -> None:
    first = start_studio(stock, STUDIO_INDEX_URL=open_index.url, **QUICK)
    second = start_studio(STUDIO_VAR=str(first.var), STUDIO_INDEX_URL=open_index.url, **QUICK)
    names = ("shop", "cart", "till", "desk")
    pairs = {f"{a}_{b}": f"{a}==1.0\n{b}==1.0\n" for a in names for b in names if a < b}

    requested = request_builds(second, tmp_path, **pairs)
    ends = assert_invariants(second, requested)
    assert {(end["state"], end["attempt"]) for end in ends.values()} == {("succeeded", 1)}
    assert first.process is not None
    first.process.kill_family()
    more = request_builds(second, tmp_path, **{name: f"{name}==1.0\n" for name in names})
    ends = assert_invariants(second, more)
    assert {end["state"] for end in ends.values()} == {"succeeded"}
