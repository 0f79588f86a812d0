"""Redis on a free port of 127.0.0.1, in memory only: what it held is gone after a crash."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import redis

from tests.services.parts import program
from tests.services.processes import Process, free_port
from tests.services.service import Service

DATABASES = 64


class Redis(Service):
    """`url` is what CELERY_BROKER_URL takes; `fresh_url()` is that of an empty database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.numbers = count(1)

    def launch(self) -> Process:
        argv: list[str | Path] = [program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"]
        argv += ["--dir", self.folder, "--databases", str(DATABASES), "--save", "", "--appendonly", "no"]
        return Process(argv, output=self.log)

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def fresh_url(self) -> str:
        """Return the URL of an empty database that no other test has been given."""
        number = next(self.numbers)
        if number >= DATABASES:
            raise RuntimeError(f"all {DATABASES} Redis databases are given out: raise DATABASES")
        url = f"redis://127.0.0.1:{self.port}/{number}"
        self.empty(url)
        return url

    def empty(self, url: str) -> None:
        """Lose all that a database of this server holds."""
        with redis.Redis.from_url(url) as client:
            client.flushdb()
