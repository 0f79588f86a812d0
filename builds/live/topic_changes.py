"""The source of the board's changes: what the triggers of `triggers.py` report, from any process.

PostgreSQL notifies. SQLite has a table of revisions, read four times a second, once for all pages.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from psycopg import Error

from builds.live.pg_notify import listener
from builds.live.topics import Board, Report
from builds.live.triggers import CHANNEL, LEDGER

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0
SWALLOWED_SECONDS = 5.0  # a notification of our own that has not arrived by then never will
PROBE = "probe"

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="revisions")


async def forward_topics(report: Report) -> None:
    """Report changes until cancelled; after a gap in which some may be missing, report all keys."""
    if connection.vendor != "postgresql":
        await _poll(report)
    while True:
        try:
            async with listener(CHANNEL) as connected:
                report(None)
                probing = asyncio.create_task(_in_thread(_probe))
                arrive = False
                while True:
                    timeout = None if arrive else SWALLOWED_SECONDS
                    async for notification in connected.notifies(timeout=timeout):
                        arrive = True
                        if notification.payload != PROBE:
                            report([notification.payload])
                    if not arrive:
                        report(None)  # a pooler swallows notifications: pages refresh now and then
                        await probing
        except (Error, OSError, DatabaseError) as error:
            # Pages cannot be read either while the database is away; they catch up after it.
            log.warning("PostgreSQL sends no notifications (%s): pages wait for it.", str(error).strip())
        await asyncio.sleep(RETRY_SECONDS)


async def _poll(report: Report) -> None:
    _, revision = await _in_thread(_changes_after, None)
    report(None)
    try:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            keys, revision = await _in_thread(_changes_after, revision)
            if keys:
                report(keys)
    finally:
        _thread.submit(close_connection)


async def _in_thread(work: Any, *arguments: Any) -> Any:
    return await sync_to_async(work, thread_sensitive=False, executor=_thread)(*arguments)


def _probe() -> None:
    """Send a notification from another connection, as all changes come from others."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, PROBE])
    finally:
        connection.close()


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
