"""What must hold after every fault: nothing is lost, nothing is double, nothing is left behind (issue 5, point 6)."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any, Protocol

import httpx
import psycopg

from tests.services.processes import ProcessInfo, process_table, wait_until
from tests.services.studio import ROOT

ENDED = {"succeeded", "failed", "cancelled"}


class SetUp(Protocol):
    """A studio under test: embedded (`Studio`) or grown up (`Deployment`)."""

    var: Path
    settings: dict[str, str]

    def environment(self) -> dict[str, str]: ...

    def text(self) -> str: ...


def query(studio: SetUp, question: str, *values: str) -> list[tuple[Any, ...]]:
    """Return the rows that the studio's database answers; `?` stands for a value."""
    url = studio.settings.get("DATABASE_URL")
    if url:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute(question.replace("?", "%s").encode(), values).fetchall()
    with closing(sqlite3.connect(studio.var / "studio.sqlite3", timeout=20)) as connection:
        return connection.execute(question, [value.replace("-", "") for value in values]).fetchall()


def ask(studio: SetUp, folder: Path, **definitions: str) -> Asked:
    """Ask for builds of requirements, by name: `_` in a name stands for `-`."""
    files = []
    for name, text in definitions.items():
        files.append(folder / f"{name.replace('_', '-')}.txt")
        files[-1].write_text(text)
    words = [sys.executable, "-m", "tests.builds.asking", *map(str, files)]
    environment = {"DJANGO_SETTINGS_MODULE": "studio.settings", **studio.environment()}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return Asked(answer["builds"], answer["session"])


class Asked:
    """Builds that somebody asked for, and the cookie with which they are signed in."""

    def __init__(self, builds: dict[str, str], session: str) -> None:
        self.builds = builds
        self.cookies = {"studio_session": session}

    @property
    def only(self) -> str:
        """The id of the one build."""
        (build,) = self.builds.values()
        return build


def row(studio: SetUp, build: str) -> dict[str, Any]:
    """Return a build's row as it is now."""
    columns = ["state", "attempt", "worker", "error_code"]
    (found,) = query(studio, f"SELECT {', '.join(columns)} FROM builds_build WHERE id = ?", build)  # noqa: S608
    return dict(zip(columns, found, strict=True))


def wait_for(studio: SetUp, build: str, *states: str, seconds: float = 60) -> dict[str, Any]:
    """Return the row when the build is in one of these states (any end, if none is named)."""
    wanted = set(states) or ENDED
    wait_until(
        lambda: row(studio, build)["state"] in wanted,
        seconds,
        lambda: f"{row(studio, build)}\n{studio.text()}",
    )
    return row(studio, build)


def wait_until_held(studio: SetUp, builds: Mapping[str, str], seconds: float = 90) -> None:
    """Return when each of these builds is held in its step (see `held.py`): the folder tells."""
    waiting = dict(builds)

    def all_held() -> bool:
        for name in list(waiting):
            if (studio.var / "held" / name).exists():
                del waiting[name]
            else:
                ended = row(studio, waiting[name])
                assert ended["state"] not in ENDED, f"{name}: {ended}\n{studio.text()}"
        return not waiting

    wait_until(all_held, seconds, lambda: f"not held: {sorted(waiting)}\n{studio.text()}")


def worker_pid(studio: SetUp, build: str) -> int:
    """Return the process that has the build."""
    return int(str(row(studio, build)["worker"]).rpartition(":")[2])


LINE = re.compile(r'id="L(\d+)">.*?</a><span>(.*?)</span></div>')


class Watcher:
    """Somebody with a build's page open: comes back with the cursor whenever the stream breaks, to any web process."""

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
        """Return when a line with this text has been shown."""
        with self._changed:
            there = self._changed.wait_for(lambda: any(text in line for _, line in self.shown), seconds)
        assert there, f"no line like {text!r} was shown: {self.shown}"

    def wait_for_connections(self, count: int, seconds: float = 60) -> None:
        """Return when the stream has been opened so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= count, seconds), self.connections

    def _watch(self) -> None:
        turn = 0
        while not self._stop.is_set() and not self.ended.is_set():
            url = self.urls[turn % len(self.urls)]
            turn += 1
            try:
                self._follow(f"{url}/w/default/builds/{self.build}/stream?after={self.cursor}")
            except httpx.HTTPError:
                self._stop.wait(0.1)  # the browser, too, comes back after a moment

    def _follow(self, address: str) -> None:
        with (
            httpx.Client(cookies=self.cookies, trust_env=False, timeout=5) as client,
            client.stream("GET", address) as answer,
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
                self.shown += [(int(n), unescape(t)) for n, t in LINE.findall(event["data"])]
                self.cursor = event["id"]
            elif event.get("event") == "end":
                self.ended.set()
            self._changed.notify_all()


def assert_nothing_is_lost(
    studio: SetUp,
    asked: Asked,
    *,
    url: str = "",
    watchers: Iterable[Watcher] = (),
    gone: Iterable[ProcessInfo] = (),
    seconds: float = 60,
) -> dict[str, dict[str, Any]]:
    """Hold up what must be true after a fault; return how each build ended.

    Every build has ended; no line that was shown is lost or double; every image has all its blobs; one
    success and one current image for each definition; no process in `gone` lives any more.
    """
    ends = {name: wait_for(studio, build, seconds=seconds) for name, build in asked.builds.items()}
    for watcher in watchers:
        assert watcher.ended.wait(30), "the viewer was not told of the end"
        numbers = [number for number, _ in watcher.shown]
        assert numbers == list(range(1, len(numbers) + 1)), f"lines lost or double: {numbers}"
        assert [text for _, text in watcher.shown] == log_of(url, watcher.build, asked.cookies)
    for build in asked.builds.values():
        assert_log_is_whole(studio, build)
    assert_images_are_whole(studio)
    assert_nothing_is_double(studio)
    assert_gone(gone)
    return ends


def log_of(url: str, build: str, cookies: Mapping[str, str]) -> list[str]:
    """Return the log as it can be downloaded."""
    address = f"{url}/w/default/builds/{build}/log.txt"
    answer = httpx.get(address, cookies=dict(cookies), trust_env=False).raise_for_status()
    return answer.text.removesuffix("\n").split("\n")


def assert_log_is_whole(studio: SetUp, build: str) -> None:
    """Fail where a part of the log is missing, packed or not."""
    ((parts, loose, packed),) = query(
        studio,
        "SELECT log_seq, (SELECT count(*) FROM builds_logchunk WHERE build_id = b.id), "
        "(SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM builds_logblock WHERE build_id = b.id) "
        "FROM builds_build AS b WHERE id = ?",
        build,
    )
    assert loose + packed == parts, f"build {build}: {loose} parts and {packed} packed ones of {parts}"


def assert_images_are_whole(studio: SetUp) -> None:
    """Fail where an image's row has a blob that is not in the store in its full length."""
    blobs = studio.var / "store" / "blobs" / "sha256"
    for (digest,) in query(studio, "SELECT digest FROM builds_image"):
        manifest = json.loads((blobs / digest.partition(":")[2]).read_bytes())
        for part in (manifest["config"], *manifest["layers"]):
            blob = blobs / part["digest"].partition(":")[2]
            assert blob.stat().st_size == part["size"], f"{digest}: {part}"


def assert_nothing_is_double(studio: SetUp) -> None:
    """Fail where a definition was built twice with success, or has two current images."""
    twice = (
        "SELECT workspace_id, hash, count(*) FROM builds_{} GROUP BY workspace_id, hash HAVING count(*) > 1"
    )
    success = twice.replace(" GROUP", " WHERE state = 'succeeded' AND NOT reused GROUP")
    current = twice.replace(" GROUP", " WHERE current GROUP")
    assert query(studio, success.format("build")) == []
    assert query(studio, current.format("image")) == []


def assert_gone(processes: Iterable[ProcessInfo], seconds: float = 10) -> None:
    """Fail where one of these processes is still alive."""
    wanted = {process.pid: process.command for process in processes}

    def alive() -> list[str]:
        table = process_table()
        return [
            command
            for pid, command in wanted.items()
            if pid in table and not table[pid].zombie and table[pid].command == command
        ]

    wait_until(lambda: not alive(), seconds, lambda: f"left behind: {alive()}")
