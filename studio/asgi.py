"""The web application for uvicorn.

Event streams live long, and Django under ASGI would hold one thread for each. On their path all requests
share a few threads instead. When the server is asked to stop, streams end at once: they never would
by themselves.
"""

import asyncio
import itertools
import os
import re
import signal
import threading
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

pages = get_asgi_application()

# WhiteNoise sends static files that way; they are few, small and cached by the browser.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

from builds.stream import watchtower  # noqa: E402 (the applications must be loaded first)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# /w/<workspace>/builds/<uuid>/stream and /api/v1/workspaces/<workspace>/builds/<uuid>/events/
EVENTS = re.compile(
    r"^(/w/[-\w]+/builds/[0-9a-f-]{36}/stream|/api/v1/workspaces/[-\w]+/builds/[0-9a-f-]{36}/events/)$"
)

# asgiref wants an executor of one thread for a context; a few of them take turns. Each may hold a database
# connection for a moment, beside those of who looks, reads and listens for all: six at most.
STREAM_THREADS = 3
_executors = itertools.cycle(
    [ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"stream-{n}") for n in range(STREAM_THREADS)]
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or follow the server's start and stop."""
    if scope["type"] == "lifespan":
        await live_and_stop(receive, send)
    elif scope["type"] == "http" and EVENTS.match(scope["path"]):
        async with ThreadSensitiveContext(executor=next(_executors)):
            await pages(scope, receive, send)  # type: ignore[arg-type]
    else:
        await pages(scope, receive, send)  # type: ignore[arg-type]


async def live_and_stop(receive: Receive, send: Send) -> None:
    """Take part in the server's life: from its start on, a signal to stop ends the streams."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            watchtower.open()
            close_streams_on_signals()
            await send({"type": "lifespan.startup.complete"})
        else:
            watchtower.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def close_streams_on_signals() -> None:
    """Close the streams when the server is signalled, and then let it do what it does.

    The server tells of its stop only after all connections have ended, which is too late for streams.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        server = signal.getsignal(number)

        def stop(number: int, frame: FrameType | None, server: Any = server) -> None:
            loop.call_soon_threadsafe(watchtower.close)
            if callable(server):
                server(number, frame)

        if callable(server):
            signal.signal(number, stop)
