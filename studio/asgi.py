"""The web application for uvicorn.

Pages are synchronous: each is answered from its first middleware to its last in one thread, and the threads
stay, with their database connections. Event streams live long, and Django under ASGI would hold one thread
for each: on their path all requests share a few threads instead. When the server is asked to stop, streams end at once: they never would
by themselves.
"""

import asyncio
import gc
import itertools
import os
import re
import signal
import threading
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

streams = get_asgi_application()

# WhiteNoise sends static files that way; they are few, small and cached by the browser.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

from builds.distribution.waiting import answer_when_built  # noqa: E402 (the applications must be loaded first)
from builds.live.build_events import hub  # noqa: E402
from builds.live.topic_changes import board  # noqa: E402
from studio.middleware.body_limits import Receive, Scope, Send, within_bounds  # noqa: E402

# /w/<workspace>/events/, /w/<workspace>/builds/<uuid>/stream and /api/v1/workspaces/<workspace>/builds/<uuid>/events/
EVENTS = re.compile(
    r"^(/w/[-\w]+/events/|/w/[-\w]+/builds/[0-9a-f-]{36}/stream|/api/v1/workspaces/[-\w]+/builds/[0-9a-f-]{36}/events/)$"
)

# A pull that waits for its build is a page that is answered again, with no thread between.
MANIFESTS = re.compile(r"^/v2/.+/manifests/[^/]+$")

# asgiref wants an executor of one thread for a context; a few of them take turns. Each may hold a database
# connection for a moment, beside the shared listener and readers: six at most.
STREAM_THREADS = 3
_executors = itertools.cycle(
    [ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"stream-{n}") for n in range(STREAM_THREADS)]
)


# So many threads of pages stay when nobody asks for one; more come and go with a rush.
KEPT_THREADS = 4


class Pages(ASGIHandler):
    """Django's handler, but a page changes to a thread once, not twice for each of its middlewares."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


class PageThreads:
    """Threads for pages: the last that was given back is the first to be lent, so that quiet ones stay quiet."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self._idle: list[ThreadPoolExecutor] = []

    @asynccontextmanager
    async def thread(self) -> AsyncIterator[None]:
        """Run the block's synchronous code in a dedicated thread."""
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="page")
        try:
            async with ThreadSensitiveContext(executor=thread):
                yield
        finally:
            self.give_back(thread)

    def give_back(self, thread: ThreadPoolExecutor) -> None:
        """Keep the thread for the next page; one too many ends, its connections closed."""
        if len(self._idle) < self.kept:
            self._idle.append(thread)
        else:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)

    def close(self) -> None:
        """End the threads that wait for a page."""
        self.kept = 0
        while self._idle:
            self.give_back(self._idle.pop())


pages = Pages()
threads = PageThreads(KEPT_THREADS)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or follow the server's start and stop."""
    if scope["type"] == "lifespan":
        await live_and_stop(receive, send)
    elif scope["type"] == "http" and EVENTS.match(scope["path"]):
        async with ThreadSensitiveContext(executor=next(_executors)):
            await within_bounds(streams, scope, receive, send)  # type: ignore[arg-type]
    elif scope["type"] == "http" and MANIFESTS.match(scope["path"]):
        await answer_when_built(page, scope, receive, send)
    elif scope["type"] == "http":
        await page(scope, receive, send)


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a page in a thread."""
    async with threads.thread():
        await within_bounds(pages, scope, receive, send)  # type: ignore[arg-type]


async def live_and_stop(receive: Receive, send: Send) -> None:
    """Take part in the server's life: from its start on, a signal to stop ends the streams."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            hub.open()
            board.open()
            close_streams_on_signals()
            # Objects that last as long as the process: a collection that looked through them took 80 ms of a request.
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
        else:
            close_streams()
            threads.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def close_streams() -> None:
    """End every event stream of this process."""
    hub.close()
    board.close()


def close_streams_on_signals() -> None:
    """Close the streams when the server is signalled, and then let it do what it does.

    The server reports its stop only after all connections have ended, which is too late for streams.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        server = signal.getsignal(number)

        def stop(number: int, frame: FrameType | None, server: Any = server) -> None:
            loop.call_soon_threadsafe(close_streams)
            if callable(server):
                server(number, frame)

        if callable(server):
            signal.signal(number, stop)
