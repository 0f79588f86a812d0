"""The studio grown up: web and worker processes of their own, started as docs/running.md says."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import httpx

from tests.services.processes import Process, free_port
from tests.services.servers.preloaded import PreloadedProcess, run_preloaded
from tests.services.servers.service import TRUSTS_NOBODY
from tests.services.studio import PRIVATE, ROOT, copy_stock

RUNNING = ROOT / "docs" / "running.md"


def documented(program: str) -> list[str]:
    """Return the documented command for a program; options that follow it take precedence."""
    lines = RUNNING.read_text().replace("\\\n", "").splitlines()
    (command,) = [line for line in lines if line.startswith(f"{program} ")]
    return shlex.split(command, comments=True)


class Deployment:
    """One database, one broker, one folder; as many web and worker processes as a test wants."""

    def __init__(self, folder: Path, settings: Mapping[str, str], stock: Path | None = None) -> None:
        folder.mkdir(mode=0o755)
        self.folder = folder
        self.var = folder / "var"
        if stock is not None:
            copy_stock(stock, self.var)
        self.settings = dict(settings)
        self.webs: list[Process] = []
        self.workers: list[Process] = []
        self.urls: list[str] = []

    def environment(self) -> dict[str, str]:
        """Return the environment that all processes share."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        return {**inherited, "STUDIO_VAR": str(self.var), **self.settings}

    def prepare(self) -> None:
        """Bring the database up to date."""
        done = run_preloaded(["manage.py", "prepare"], env=self.environment())
        assert done.returncode == 0, done.stderr

    def start(self, *, webs: int = 1, workers: int = 1) -> None:
        """Start that many of each, and return when all are there."""
        started = [self.launch_web() for _ in range(webs)]
        more = [self.launch_worker() for _ in range(workers)]
        for url, process in started:
            process.wait_until(partial(answers, url), 60)
        for process in more:
            process.wait_for_line(r"celery@\S+ ready", 60)

    def start_web(self, **settings: str) -> str:
        """Start one more web process, with settings of its own, and return its URL when it answers."""
        url, process = self.launch_web(**settings)
        process.wait_until(partial(answers, url), 60)
        return url

    def launch_web(self, **settings: str) -> tuple[str, Process]:
        """Start a web process; it answers a moment later. The keywords are settings of its own."""
        port = free_port()
        argv = [*documented("uvicorn"), "--host", "127.0.0.1", "--port", str(port)]
        process = self._launch(argv, f"web-{len(self.webs)}.txt", settings)
        self.webs.append(process)
        self.urls.append(f"http://localhost:{port}")
        return self.urls[-1], process

    def launch_worker(self, **settings: str) -> Process:
        """Start a worker; the keywords are settings of its own."""
        at_once = self.settings.get("STUDIO_BUILDS_AT_ONCE", "2")
        argv = [*documented("celery"), "--loglevel", "INFO", "--concurrency", at_once]
        process = self._launch(argv, f"worker-{len(self.workers)}.txt", settings)
        self.workers.append(process)
        return process

    def _launch(self, module_argv: list[str], output: str, settings: Mapping[str, str]) -> Process:
        argv = [sys.executable, "-m", *module_argv]
        environment = {**self.environment(), **settings}
        return PreloadedProcess(argv, output=self.folder / output, env=environment, cwd=ROOT)

    def text(self) -> str:
        """Return the output of all processes, for messages of failed tests."""
        return "\n".join(process.last_words() for process in (*self.webs, *self.workers))

    def kill(self) -> None:
        """Kill everything with -9."""
        for process in (*self.webs, *self.workers):
            process.kill_family()


def answers(url: str) -> bool:
    """Say whether a web process answers."""
    try:
        return httpx.get(f"{url}/login/", trust_env=False, verify=TRUSTS_NOBODY).status_code < 500
    except httpx.TransportError:
        return False
