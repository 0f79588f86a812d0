"""Processes are killed in the middle of a build; no build is lost and none stays under way for ever."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psycopg
import pytest

from tests.images.making import make_wheel
from tests.images.serving import Answer, Index
from tests.services.fixtures import StartStudio
from tests.services.postgres import Postgres
from tests.services.processes import descendants, wait_until
from tests.services.studio import ROOT, Studio

QUICK = {
    "STUDIO_HEARTBEAT_SECONDS": "0.5",
    "STUDIO_LOST_AFTER_SECONDS": "3",
    "STUDIO_RECONCILE_SECONDS": "0.5",
}


class HeldIndex(Index):
    """An index that hands out no file before `let_go` is set: a build stops in the middle of its fetching."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let_go = threading.Event()
        self.holding = threading.Event()

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/files/"):
            self.holding.set()
            self.let_go.wait(120)
        return super()._answer(request)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[HeldIndex]:
    """An index that holds back one small wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "shop", "1.0", {"shop.py": "OPEN = True\n"})
    held = HeldIndex(folder)
    with held.server.running():
        yield held
        held.let_go.set()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings of a studio on either database."""
    if request.param == "sqlite":
        yield {}
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.fresh_database() as url:
        yield {"DATABASE_URL": url, "SECRET_KEY": "k" * 50}


def ask(studio: Studio, folder: Path) -> str:
    """Ask for the build of a definition, and return its id."""
    file = folder / "shopping.txt"
    file.write_text("shop==1.0\n")
    words = [sys.executable, "-m", "tests.builds.asking", str(file)]
    environment = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def row(studio: Studio, build: str) -> dict[str, object]:
    """Return a build's row as it is now."""
    columns = ["state", "attempt", "worker", "error_code"]
    question = "SELECT state, attempt, worker, error_code FROM builds_build WHERE id = "
    url = studio.settings.get("DATABASE_URL")
    if url:
        with psycopg.connect(url) as connection:
            found = connection.execute(f"{question} %s", [build]).fetchone()
    else:
        with closing(sqlite3.connect(studio.var / "studio.sqlite3")) as connection:
            found = connection.execute(f"{question} ?", [build.replace("-", "")]).fetchone()
    assert found is not None
    return dict(zip(columns, found, strict=True))


def wait_for(studio: Studio, build: str, state: str, seconds: float = 60) -> dict[str, object]:
    """Return the row when the build is in this state."""
    wait_until(
        lambda: row(studio, build)["state"] == state,
        seconds,
        lambda: f"{row(studio, build)}\n{studio.process.text() if studio.process else ''}",
    )
    return row(studio, build)


def wait_for_attempt(studio: Studio, build: str, attempt: int) -> None:
    """Return when a worker has begun this attempt."""

    def begun() -> bool:
        now = row(studio, build)
        return now["attempt"] == attempt and bool(now["worker"])

    wait_until(begun, 30, lambda: str(row(studio, build)))


def worker_pid(studio: Studio, build: str) -> int:
    """Return the process that has the build."""
    return int(str(row(studio, build)["worker"]).rpartition(":")[2])


def studio_with(start: StartStudio, index: Index, **settings: str) -> Studio:
    """Return a studio that takes its packages from this index."""
    return start(STUDIO_INDEX_URL=index.url, **QUICK, **settings)


def test_a_worker_killed_in_the_middle_is_replaced_and_the_build_is_made(
    start_studio: StartStudio, index: HeldIndex, database: dict[str, str], tmp_path: Path
) -> None:
    studio = studio_with(start_studio, index, **database)
    build = ask(studio, tmp_path)
    assert index.holding.wait(60)

    os.kill(worker_pid(studio, build), signal.SIGKILL)
    index.let_go.set()

    ended = wait_for(studio, build, "succeeded")
    assert ended["attempt"] == 2


def test_a_build_that_kills_its_worker_each_time_ends_as_failed(
    start_studio: StartStudio, index: HeldIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, index)
    build = ask(studio, tmp_path)

    for attempt in (1, 2, 3):
        wait_for_attempt(studio, build, attempt)
        os.kill(worker_pid(studio, build), signal.SIGKILL)

    assert wait_for(studio, build, "failed")["error_code"] == "worker-died"


def test_ctrl_c_sends_the_build_back_to_the_queue_and_the_next_start_goes_on(
    start_studio: StartStudio, index: HeldIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, index)
    build = ask(studio, tmp_path)
    assert index.holding.wait(60)
    assert studio.process is not None

    os.killpg(studio.process.pid, signal.SIGINT)

    assert studio.process.wait(seconds=8) == 0
    studio.process.assert_nothing_left()
    stopped = row(studio, build)
    assert (stopped["state"], stopped["attempt"], stopped["worker"]) == ("queued", 0, "")
    index.let_go.set()
    studio.start()
    assert wait_for(studio, build, "succeeded")["attempt"] == 1


def test_a_studio_killed_whole_leaves_no_process_and_goes_on_at_the_next_start(
    start_studio: StartStudio, index: HeldIndex, tmp_path: Path
) -> None:
    studio = studio_with(start_studio, index)
    build = ask(studio, tmp_path)
    assert index.holding.wait(60)
    assert studio.process is not None
    assert len(descendants(studio.process.pid)) >= 2

    os.kill(studio.process.pid, signal.SIGKILL)

    studio.process.wait(seconds=8)
    studio.process.assert_nothing_left()
    index.let_go.set()
    studio.start()
    assert wait_for(studio, build, "succeeded")["attempt"] == 2
