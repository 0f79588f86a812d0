"""Changes of builds from PostgreSQL: one LISTEN connection for each web process, beside Django's own.

A trigger notifies in the transaction that moves a build's revision, from any process (migration
`0002_notify_trigger`). While there is no connection, builds are polled ten times a second.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.db import connection
from psycopg import AsyncConnection, Error
from psycopg.sql import SQL, Identifier

from builds.live.hub import ChangeCallback, poll

log = logging.getLogger(__name__)

CHANNEL = "studio_builds"
# For changes without a notification: a pooler may swallow them, and positions in the queue have none.
POLL_ANYWAY_SECONDS = 2.0
RETRY_SECONDS = 1.0
# Django's connection parameters that an asynchronous connection does not take.
DJANGO_ONLY = {"context", "cursor_factory", "prepare_threshold", "pool"}


async def forward_changes(notify: ChangeCallback) -> None:
    """Report changed builds until cancelled: from PostgreSQL's notifications, or else by polling."""
    if connection.vendor != "postgresql":
        await poll(notify)
    while True:
        try:
            await listen(notify)
        except (Error, OSError) as error:
            log.warning("PostgreSQL sends no notifications (%s): polling builds.", str(error).strip())
        polling = asyncio.create_task(poll(notify))
        await asyncio.sleep(RETRY_SECONDS)
        polling.cancel()


async def listen(notify: ChangeCallback) -> None:
    """Report changed builds from PostgreSQL's notifications until the connection breaks."""
    async with listener(CHANNEL) as connected:
        while True:
            notify(None)  # changes before LISTEN, and those without a notification
            async for notification in connected.notifies(timeout=POLL_ANYWAY_SECONDS):
                notify([uuid.UUID(notification.payload)])


@asynccontextmanager
async def listener(channel: str) -> AsyncIterator[AsyncConnection]:
    """Open a connection to Django's database that receives a channel's notifications."""
    parameters = connection.get_connection_params()
    arguments = {name: value for name, value in parameters.items() if name not in DJANGO_ONLY}
    async with await AsyncConnection.connect(**arguments, autocommit=True) as connected:
        await connected.execute(SQL("LISTEN {}").format(Identifier(channel)))
        yield connected
