"""Measure how soon a studio starts and answers: `python -m bench.studio [--rounds 5]`.

Start to first page and to a worker, Ctrl-C to the end, request to running, the demo cold and warm, and a cache
hit from POST to *ready*: all on a studio of its own (SQLite, the `host` base, the real package index). Medians;
nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from tests.services.processes import wait_until
from tests.services.studio import ROOT, Studio

HITS = 50


def main() -> None:
    """Print one line a measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5, help="how often the short ones are measured")
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bench-studio-") as temporary:
        folder = Path(temporary)
        started = Studio(folder / "started", {})
        say("first start to first page", [start_seconds(started)])
        say("second start to first page", [start_seconds(started) for _ in range(rounds)])
        ready, ended = zip(*(worker_seconds(started) for _ in range(rounds)), strict=True)
        say("second start to a worker that is ready", list(ready))
        say("Ctrl-C to the end of all processes", list(ended))
        shown = Studio(folder / "shown", {})
        for name, seconds in demo_seconds(shown).items():
            say(name, [seconds])
        with_studio(shown, rounds)


def say(what: str, seconds: list[float]) -> None:
    """Print the median and the range."""
    middle = statistics.median(seconds)
    spread = f"   ({min(seconds) * 1000:,.0f} to {max(seconds) * 1000:,.0f} ms, {len(seconds)} times)"
    print(f"{what:42} {middle * 1000:10,.1f} ms{spread if len(seconds) > 1 else ''}", flush=True)


def start_seconds(studio: Studio) -> float:
    """Return the time from the command to the first page, and stop the studio again."""
    began = time.perf_counter()
    process = studio.launch()
    try:
        process.wait_for_line("Sign in once as", 60)
        httpx.get(f"{studio.url}/login/", trust_env=False, timeout=60).raise_for_status()
        return time.perf_counter() - began
    finally:
        process.stop()


def worker_seconds(studio: Studio) -> tuple[float, float]:
    """Return the time from the command until a worker waits for builds, and from Ctrl-C to the end."""

    def ready() -> bool:
        with closing(sqlite3.connect(studio.var / "studio.sqlite3")) as database:
            return bool(database.execute("SELECT count(*) FROM studio_worker").fetchone()[0])

    began = time.perf_counter()
    process = studio.launch()
    try:
        wait_until(ready, 60, "no worker came")
        started = time.perf_counter() - began
        time.sleep(2)  # as long as anybody looks at it, at least: what ends while it begins tells little
        began = time.perf_counter()
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        return started, time.perf_counter() - began
    finally:
        process.stop()


def demo_seconds(studio: Studio) -> dict[str, float]:
    """Return how long `make demo` takes from nothing, with the image there, and with parts of what it made."""
    result = {"demo, cold (nothing downloaded)": timed(lambda: run_demo(studio))}
    result["demo, again (cache hit)"] = timed(lambda: run_demo(studio))
    forget(studio)
    result["demo, warm (layers kept, database gone)"] = timed(lambda: run_demo(studio))
    forget(studio)
    shutil.rmtree(studio.var / "store")
    result["demo, downloads kept, layers gone"] = timed(lambda: run_demo(studio))
    return result


def forget(studio: Studio) -> None:
    """Remove the database: nobody knows then that there is an image."""
    for file in studio.var.glob("studio.sqlite3*"):
        file.unlink()


def timed(run: Callable[[], object]) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def run_demo(studio: Studio) -> None:
    """Run the demo on this studio's data."""
    arguments = [sys.executable, "manage.py", "demo"]
    subprocess.run(arguments, cwd=ROOT, env=studio.environment(), check=True, capture_output=True)


def with_studio(studio: Studio, rounds: int) -> None:
    """Measure what a running studio takes for a request, and for a cache hit."""
    studio.start()
    try:
        say("request to running", [request_to_running(studio, number) for number in range(rounds)])
        say("cache hit, POST to ready", hit_seconds(studio))
    finally:
        studio.stop()


def hits_of_a_new_studio(folder: Path) -> list[float]:
    """Return how long a studio of its own takes from POST to *ready* for what it has an image of."""
    studio = Studio(folder, {})
    run_demo(studio)
    studio.start()
    try:
        return hit_seconds(studio)
    finally:
        studio.stop()


def hit_seconds(studio: Studio) -> list[float]:
    """Return how long a running studio takes from POST to *ready* for the demo's environment."""
    hit = f"{studio.url}/w/default/environments/demo/versions/1/build"
    with signed_in(studio) as browser:
        return [post_seconds(browser, hit) for _ in range(HITS)]


def request_to_running(studio: Studio, number: int) -> float:
    """Return the time between a request's row and its claim by the worker, from the row itself."""
    file = studio.var / f"small-{number}.txt"
    file.write_text(f"six==1.{10 + number}.0\n")
    arguments = [sys.executable, "-m", "tests.builds.faults.request_builds", str(file)]
    environment = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    (build,) = json.loads(done.stdout.splitlines()[-1])["builds"].values()
    times: list[str] = []

    def ended() -> bool:
        with closing(sqlite3.connect(studio.var / "studio.sqlite3")) as database:
            question = "SELECT queued_at, started_at, ended_at FROM builds_build WHERE id = ?"
            times[:] = database.execute(question, [build.replace("-", "")]).fetchone()
        return times[2] is not None

    wait_until(ended, 60, "the build did not end")
    queued, started = (datetime.fromisoformat(time) for time in times[:2])
    return (started - queued).total_seconds()


@contextmanager
def signed_in(studio: Studio) -> Iterator[httpx.Client]:
    """A client that has followed the login link."""
    with httpx.Client(trust_env=False, timeout=60) as browser:
        browser.get(studio.login_url)
        token = browser.cookies["studio_csrf"]
        browser.post(studio.login_url, data={"csrfmiddlewaretoken": token})
        yield browser


def post_seconds(browser: httpx.Client, url: str) -> float:
    """Return how long the answer to pressing Build takes."""
    data = {"csrfmiddlewaretoken": browser.cookies["studio_csrf"]}
    began = time.perf_counter()
    answer = browser.post(url, data=data)
    seconds = time.perf_counter() - began
    assert answer.status_code == 302, f"{url} answered {answer.status_code}"
    return seconds


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
