"""Redis on a free port of 127.0.0.1, in memory only: what it held is gone after a crash."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.services.parts import program
from tests.services.processes import Process, free_port
from tests.services.servers.service import Service

DATABASES = 256


class Redis(Service):
    """`fresh_url()` is what CELERY_BROKER_URL takes, of an empty database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = self.url_of(0)

    def url_of(self, number: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

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
        with redis.Redis.from_url(self.url) as client:
            number = int(client.incr("databases-given-out"))  # whichever process asks
        if number >= DATABASES:
            raise RuntimeError(f"all {DATABASES} Redis databases are given out: raise DATABASES")
        url = self.url_of(number)
        self.empty(url)
        return url

    def empty(self, url: str) -> None:
        """Lose all that a database of this server holds."""
        with redis.Redis.from_url(url) as client:
            client.flushdb()
