"""A whole studio runs for the tests that ask for one."""

from __future__ import annotations

import os
import signal

import httpx
import psycopg

from tests.services.fixtures import StartStudio
from tests.services.servers.postgres import Postgres
from tests.services.servers.redis import Redis
from tests.services.studio import Studio


def test_the_studio_lets_in_who_follows_the_login_link(studio: Studio) -> None:
    with httpx.Client(base_url=studio.url, follow_redirects=True, trust_env=False) as visitor:
        assert visitor.get("/").url.path.startswith("/login")

        # The link shows a button, because mail scanners follow links and it works only once.
        visitor.get(studio.login_url)
        visitor.post(studio.login_url, data={"csrfmiddlewaretoken": visitor.cookies["studio_csrf"]})

        assert not visitor.get("/").url.path.startswith("/login")


def test_ctrl_c_ends_a_studio_on_postgres_and_redis_and_leaves_no_process(
    start_studio: StartStudio, postgres: Postgres, redis_server: Redis, prepared_database: str
) -> None:
    """The start brings the database up to date."""
    migration = "FROM django_migrations WHERE app = 'studio' AND name = '0002_counter_cursor'"
    with (
        postgres.fresh_database(prepared_database) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        assert connection.execute(f"DELETE {migration}").rowcount == 1
        connection.execute("DELETE FROM studio_countercursor")

        studio = start_studio(
            DATABASE_URL=url, CELERY_BROKER_URL=redis_server.fresh_url(), SECRET_KEY="k" * 50
        )
        assert studio.process
        assert len(studio.process.family()) >= 3
        assert connection.execute(f"SELECT {migration}").rowcount == 1

        os.killpg(studio.process.pid, signal.SIGINT)

        assert studio.process.wait() == 0, studio.process.last_words()
        studio.process.assert_nothing_left()
