"""Hearing of changes from PostgreSQL: one LISTEN connection a web process, beside Django's own.

A trigger notifies in the same transaction that moves a build's revision, whoever writes (migration
`notify_of_revisions`). While the connection cannot be had, builds are looked at ten times a second instead.
"""

import asyncio
import logging
import uuid

from django.db import connection
from psycopg import AsyncConnection, Error

from builds.live import Moved, look_often

log = logging.getLogger(__name__)

CHANNEL = "studio_builds"
# What no notification tells of: a pooler that swallows them, a place in the queue that moved up.
LOOK_ANYWAY_SECONDS = 2.0
AGAIN_SECONDS = 1.0
# What Django's connections have and an asynchronous one has no use for.
NOT_FOR_LISTENING = {"context", "cursor_factory", "prepare_threshold", "pool"}


async def ring(moved: Moved) -> None:
    """Tell of builds that move, for ever: as PostgreSQL tells of them, else by looking often."""
    if connection.vendor != "postgresql":
        await look_often(moved)
    while True:
        try:
            await listen(moved)
        except (Error, OSError) as problem:
            log.warning(
                "PostgreSQL tells of no changes (%s): builds are looked at often.", str(problem).strip()
            )
        looking = asyncio.create_task(look_often(moved))
        await asyncio.sleep(AGAIN_SECONDS)
        looking.cancel()


async def listen(moved: Moved) -> None:
    """Tell of builds that move, until the connection breaks."""
    parameters = connection.get_connection_params()
    wanted = {name: value for name, value in parameters.items() if name not in NOT_FOR_LISTENING}
    listener = await AsyncConnection.connect(**wanted, autocommit=True)
    async with listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        while True:
            moved(None)  # what moved before we listened, and what nobody tells of
            async for notice in listener.notifies(timeout=LOOK_ANYWAY_SECONDS):
                moved([uuid.UUID(notice.payload)])
