"""A client of a studio under test: its builds, its rows, and viewers of its pages."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from html import unescape
from pathlib import Path
from typing import Any, Protocol

import httpx
import psycopg

from tests.services.processes import wait_until
from tests.services.servers.preloaded import run_preloaded
from tests.services.servers.service import TRUSTS_NOBODY

ENDED = {"succeeded", "failed", "cancelled"}


class SetUp(Protocol):
    """A studio under test: embedded (`Studio`) or a `Deployment`."""

    var: Path
    settings: dict[str, str]

    def environment(self) -> dict[str, str]: ...

    def text(self) -> str: ...


_connections: weakref.WeakKeyDictionary[SetUp, psycopg.Connection[Any]] = weakref.WeakKeyDictionary()


def query(studio: SetUp, sql: str, *values: str) -> list[tuple[Any, ...]]:
    """Run a query on the studio's database; `?` is a parameter."""
    url = studio.settings.get("DATABASE_URL")
    if url:
        statement = sql.replace("?", "%s").encode()
        known = _connections.get(studio)
        if known is not None:
            with suppress(psycopg.OperationalError):  # the server has ended it, or been restarted since
                return known.execute(statement, values).fetchall()
        return _connect(studio, url).execute(statement, values).fetchall()
    with closing(sqlite3.connect(studio.var / "studio.sqlite3", timeout=20)) as connection:
        return connection.execute(sql, [value.replace("-", "") for value in values]).fetchall()


def _connect(studio: SetUp, url: str) -> psycopg.Connection[Any]:
    """Return a connection that is kept as long as the studio: to log in costs much more than what is polled for."""
    if studio in _connections:
        _connections[studio].close()
    connection = psycopg.connect(url, autocommit=True, connect_timeout=5, tcp_user_timeout=5000)
    _connections[studio] = connection
    weakref.finalize(studio, connection.close)
    return connection


def request_builds(studio: SetUp, folder: Path, **definitions: str) -> RequestedBuilds:
    """Request builds of requirements, by name; `_` in a name means `-`."""
    files = []
    for name, text in definitions.items():
        files.append(folder / f"{name.replace('_', '-')}.txt")
        files[-1].write_text(text)
    argv = ["-m", "tests.builds.faults.request_builds", *map(str, files)]
    environment = {"DJANGO_SETTINGS_MODULE": "studio.settings", **studio.environment()}
    done = run_preloaded(argv, env=environment)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return RequestedBuilds(answer["builds"], answer["session"])


class RequestedBuilds:
    """Requested builds, and the session cookie of the person who requested them."""

    def __init__(self, builds: dict[str, str], session: str) -> None:
        self.builds = builds
        self.cookies = {"studio_session": session}

    @property
    def only(self) -> str:
        """The id of the only build."""
        (build,) = self.builds.values()
        return build


def row(studio: SetUp, build: str) -> dict[str, Any]:
    """Return a build's row as it is now."""
    columns = ["state", "attempt", "worker", "error_code"]
    (values,) = query(studio, f"SELECT {', '.join(columns)} FROM builds_build WHERE id = ?", build)  # noqa: S608
    return dict(zip(columns, values, strict=True))


def wait_for(studio: SetUp, build: str, *states: str, seconds: float = 60) -> dict[str, Any]:
    """Return the row when the build is in one of these states (any end, if none is named)."""
    wanted = set(states) or ENDED
    wait_until(
        lambda: row(studio, build)["state"] in wanted,
        seconds,
        lambda: f"{row(studio, build)}\n{studio.text()}",
    )
    return row(studio, build)


def wait_until_paused(studio: SetUp, builds: Mapping[str, str], seconds: float = 90) -> None:
    """Wait until each of these builds is paused in its step (see `paused_step.py`)."""
    waiting = dict(builds)

    def all_paused() -> bool:
        for name in list(waiting):
            if (studio.var / "paused" / name).exists():
                del waiting[name]
            else:
                ended = row(studio, waiting[name])
                assert ended["state"] not in ENDED, f"{name}: {ended}\n{studio.text()}"
        return not waiting

    wait_until(all_paused, seconds, lambda: f"not paused: {sorted(waiting)}\n{studio.text()}")


def worker_pid(studio: SetUp, build: str) -> int:
    """Return the process that has the build."""
    return int(str(row(studio, build)["worker"]).rpartition(":")[2])


LINE = re.compile(r'id="L(\d+)"[^>]*>.*?</a><span>(.*?)</span></div>')

# An id that is shown short, and copied whole
ID = re.compile(r'<button [^>]*data-id="([^"]*)"[^>]*>.*?</button>')


class Watcher:
    """A viewer of a build's page: reconnects with its cursor to the next web process when the stream breaks."""

    def __init__(self, urls: Iterable[str], build: str, cookies: Mapping[str, str]) -> None:
        self.urls = list(urls)
        self.build = build
        self.cookies = dict(cookies)
        self.shown: list[tuple[int, str]] = []
        self.cursor = "0"
        self.ended = threading.Event()
        self.connections = 0
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name=f"watcher {build}")
        self._thread.start()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait_for_line(self, text: str, seconds: float = 60) -> None:
        """Wait until a line with this text has been shown."""
        with self._changed:
            shown = self._changed.wait_for(lambda: any(text in line for _, line in self.shown), seconds)
        assert shown, f"no line like {text!r} was shown: {self.shown}"

    def wait_for_connections(self, count: int, seconds: float = 60) -> None:
        """Wait until the stream has been opened so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= count, seconds), self.connections

    def _watch(self) -> None:
        attempt = 0
        while not self._stop.is_set() and not self.ended.is_set():
            url = self.urls[attempt % len(self.urls)]
            attempt += 1
            try:
                self._follow(f"{url}/w/default/builds/{self.build}/stream?after={self.cursor}")
            except httpx.HTTPError:
                self._stop.wait(0.1)  # as a browser reconnects after a moment

    def _follow(self, url: str) -> None:
        with (
            httpx.Client(cookies=self.cookies, trust_env=False, timeout=5, verify=TRUSTS_NOBODY) as client,
            client.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            with self._changed:
                self.connections += 1
                self._changed.notify_all()
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if self._stop.is_set():
                    return
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = event.get(name, "") + value
                    continue
                self._take(event)
                event = {}

    def _take(self, event: dict[str, str]) -> None:
        with self._changed:
            if event.get("event") == "log":
                self.shown += [(int(n), unescape(ID.sub(r"\1", t))) for n, t in LINE.findall(event["data"])]
                self.cursor = event["id"]
            elif event.get("event") == "end":
                self.ended.set()
            self._changed.notify_all()


def log_of(url: str, build: str, cookies: Mapping[str, str]) -> list[str]:
    """Download the log as lines."""
    answer = httpx.get(
        f"{url}/w/default/builds/{build}/log.txt",
        cookies=dict(cookies),
        trust_env=False,
        verify=TRUSTS_NOBODY,
    ).raise_for_status()
    return answer.text.removesuffix("\n").split("\n")
