"""The source of the board's changes: what the triggers of `triggers.py` report, from any process.

PostgreSQL notifies. SQLite has a table of revisions, read four times a second, once for all pages.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import connection
from psycopg import Error

from builds.live.pg_notify import listener
from builds.live.topics import Board, Report
from builds.live.triggers import CHANNEL, LEDGER

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="revisions")


async def forward_topics(report: Report) -> None:
    """Report changes until cancelled; after a gap in which some may be missing, report all keys."""
    if connection.vendor != "postgresql":
        await _poll(report)
    while True:
        try:
            async with listener(CHANNEL) as connected:
                report(None)
                async for notification in connected.notifies():
                    report([notification.payload])
        except (Error, OSError) as error:
            # Pages cannot be read either while the database is away; they catch up after it.
            log.warning("PostgreSQL sends no notifications (%s): pages wait for it.", str(error).strip())
        await asyncio.sleep(RETRY_SECONDS)


async def _poll(report: Report) -> None:
    read = sync_to_async(_changes_after, thread_sensitive=False, executor=_thread)
    _, revision = await read(None)
    report(None)
    try:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            keys, revision = await read(revision)
            if keys:
                report(keys)
    finally:
        _thread.submit(close_connection)


def close_connection() -> None:
    """Close this thread's connection."""
    connection.close()


def _changes_after(revision: int | None) -> tuple[list[str], int]:
    """Return the keys that changed after a revision, and the newest revision; with None, only that."""
    try:
        with connection.cursor() as cursor:
            if revision is None:
                cursor.execute(f"SELECT COALESCE(MAX(revision), 0) FROM {LEDGER}")  # noqa: S608 (a constant)
                return [], int(cursor.fetchone()[0])
            cursor.execute(
                f"SELECT key, revision FROM {LEDGER} WHERE revision > %s",  # noqa: S608 (a constant)
                [revision],
            )
            rows = cursor.fetchall()
    except Exception:
        connection.close()  # the next call reconnects
        raise
    return [key for key, _ in rows], max((changed for _, changed in rows), default=revision)


board = Board(forward_topics)
