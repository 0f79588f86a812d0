"""PostgreSQL on a free port of 127.0.0.1. It refuses to run as root, so root runs it as `postgres`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.services.parts import program
from tests.services.processes import Process, free_port
from tests.services.servers.service import Service, account

PASSWORD = "p@ss/word"  # what a URL must quote, so that nobody forgets to

# The data is thrown away, so nothing waits for the disk. A crash of the server still loses nothing.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_duration_statement": "-1",
}


class Postgres(Service):
    """`url` is what DATABASE_URL takes; `fresh_database()` gives the URL of an empty database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.port = free_port()
        self.copies: dict[tuple[int, str], str] = {}
        self.url = self.url_of("studio")
        owner = account("postgres") if os.geteuid() == 0 else None
        self.user = owner.pw_uid if owner else None
        self.group = owner.pw_gid if owner else None
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)

    def url_of(self, database: str) -> str:
        return f"postgresql://studio:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def launch(self) -> Process:
        if not self.data.exists():
            self.make_cluster()
        argv: list[str | Path] = [program("postgres"), "-D", self.data, "-p", str(self.port)]
        for name, value in SETTINGS.items():
            argv += ["-c", f"{name}={value}"]
        return Process(argv, output=self.log, cwd=self.folder, user=self.user, group=self.group)

    def make_cluster(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        argv: list[str | Path] = [
            program("initdb"),
            "-D",
            self.data,
            "--username=studio",
            f"--pwfile={secret}",
        ]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        made = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed with {made.returncode}: {made.stderr.strip()}")

    def start(self) -> None:
        super().start()
        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'studio'").fetchone()
            if not known:
                connection.execute("CREATE DATABASE studio")

    def connect(self) -> psycopg.Connection:
        """Return a connection from which databases can be made and dropped."""
        return psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=5)

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def make_database(self, template: str = "template0") -> str:
        """Return the name of a new database that is empty, or a copy."""
        name = f"studio_{uuid4().hex[:12]}"
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with self.connect() as connection:
            connection.execute(make.format(sql.Identifier(name), sql.Identifier(template)))
            # A copied sequence gives out numbers that no log has; without this, a crash would give them again.
            connection.execute("CHECKPOINT")
        return name

    def copy_from(self, other: Postgres, name: str) -> str:
        """Return the name of a database with what one of another server has; there is one copy of each."""
        if (other.port, name) not in self.copies:
            copy = self.make_database()
            dumped = subprocess.run(
                [program("pg_dump"), other.url_of(name)], capture_output=True, check=True
            ).stdout
            argv: list[str | Path] = [program("psql"), "--quiet", "--set=ON_ERROR_STOP=1", self.url_of(copy)]
            subprocess.run(argv, input=dumped, stdout=subprocess.DEVNULL, check=True)
            self.copies[other.port, name] = copy
        return self.copies[other.port, name]

    @contextmanager
    def fresh_database(self, template: str = "template0") -> Iterator[str]:
        """Give the URL of an empty database (or of a copy), dropped at the end despite open connections."""
        name = self.make_database(template)
        try:
            yield self.url_of(name)
        finally:
            with self.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
