"""A studio for measuring: a database of its own, one web process on real sockets, and commands beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.services.processes import Process, free_port, wait_until
from tests.services.servers.postgres import Postgres
from tests.services.studio import PRIVATE, ROOT

DATABASES = ("postgresql", "sqlite")
WEB = "studio-web"  # what the web process's connections are called


class BenchStudio:
    """A folder with data that stays between runs, and the studio's processes on it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder / database
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database
        self.port = free_port()
        self.server = BenchPostgres(self.folder / "server") if database == "postgresql" else None
        self.web: Process | None = None

    @contextmanager
    def running(self) -> Iterator[BenchStudio]:
        """Start the database and the web process; end both with the block."""
        if self.folder.stat().st_mode & 0o055 != 0o055:
            self.folder.chmod(0o755)
        if self.server:
            self.server.start()
        try:
            self.tell("prepare")
            with self.serving():
                yield self
        finally:
            if self.server:
                self.server.stop()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run one web process, as `manage.py run` starts it."""
        command = [sys.executable, "-m", "uvicorn", "studio.asgi:application", "--port", str(self.port)]
        command += ["--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "3"]
        command += ["--backlog", "2048"]
        log = self.folder / "web.txt"
        self.web = Process(command, output=log, env=self.environment(WEB), cwd=ROOT)
        try:
            wait_until(self.answers, 60, lambda: f"the web process does not answer:\n{log.read_text()}")
            yield
        finally:
            self.web.stop()

    def answers(self) -> bool:
        """Say whether the web process answers."""
        try:
            return httpx.get(f"{self.url}/login/", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def url(self) -> str:
        """The address of the web process."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, name: str = "studio-bench") -> dict[str, str]:
        """Return the settings of the studio's processes; `name` is what the database knows them by."""
        inherited = {key: value for key, value in os.environ.items() if key not in PRIVATE}
        mine = {
            "STUDIO_VAR": str(self.folder / "var"),
            "SECRET_KEY": "only for measuring",
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "STUDIO_LIMIT_QUEUED": "100000",
        }
        if self.server:
            mine["DATABASE_URL"] = f"{self.server.url}?application_name={name}"
            mine["CELERY_BROKER_URL"] = "filesystem://localhost"
        return {**inherited, **mine}

    def start(self, *arguments: object) -> Process:
        """Start `python -m bench.load.inside` with these words, on this studio's data."""
        command = [sys.executable, "-m", "bench.load.inside", *map(str, arguments)]
        return Process(command, output=self.folder / f"{arguments[0]}.txt", env=self.environment(), cwd=ROOT)

    def tell(self, *arguments: object) -> Any:
        """Run `python -m bench.load.inside` with these words to its end; return what it says."""
        command = [sys.executable, "-m", "bench.load.inside", *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environment(), cwd=ROOT, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))} on {self.database} failed:\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def connections(self) -> int | None:
        """Return how many connections to PostgreSQL the web process has; None on SQLite."""
        if self.server is None:
            return None
        with self.server.connect() as connection:
            question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            row = connection.execute(question, [WEB]).fetchone()
        assert row
        return int(row[0])

    def web_status(self) -> tuple[int, int]:
        """Return the web process's threads, and its memory in bytes."""
        assert self.web
        lines = Path(f"/proc/{self.web.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["Threads"]), int(fields["VmRSS"].split()[0]) * 1024

    def web_seconds(self) -> float:
        """Return the seconds of one core that the web process has used."""
        assert self.web
        fields = Path(f"/proc/{self.web.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class BenchPostgres(Postgres):
    """PostgreSQL whose data may be there from an earlier run."""

    def __init__(self, folder: Path) -> None:
        there = folder.exists()
        if there:
            folder.rename(folder.with_suffix(".kept"))
        super().__init__(folder)
        if there:
            folder.rmdir()
            folder.with_suffix(".kept").rename(folder)
