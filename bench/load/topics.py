"""Open pages of a workspace on real sockets, and what they cost the web process beside as many viewers of a build."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field

from bench.load.bench_studio import BenchStudio
from bench.load.watching import OPENING


@dataclass
class OpenPage(asyncio.Protocol):
    """A page's EventSource: it takes the time of each event."""

    request: bytes
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    times: list[float] = field(default_factory=list)
    lost: bool = False
    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if b"event: changes" in data:
            self.times.append(time.time())
            self.seen.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self.seen.set()


@dataclass(frozen=True)
class PagesCost:
    """Delays and costs of many open pages while their workspace changes."""

    pages: int
    p50: float  # seconds from a change to a page
    p99: float
    threads: int
    connections: int | None
    bytes_each: float
    busy: float  # of one core


async def open_pages(
    studio: BenchStudio, sessions: list[str], count: int, *, rate: float, seconds: float
) -> PagesCost:
    """Open so many pages of a workspace while it changes; fail if a page misses a change."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(OPENING)
    _, before = studio.web_status()

    async def open_one(number: int) -> OpenPage:
        session = sessions[number % len(sessions)]
        head = f"GET /w/lab/events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: studio_session={session}"
        async with gate:
            _, page = await loop.create_connection(
                lambda: OpenPage(f"{head}\r\n\r\n".encode()), "127.0.0.1", studio.port
            )
            await asyncio.wait_for(page.seen.wait(), 120)
        return page

    pages = await asyncio.gather(*(open_one(number) for number in range(count)))
    _, with_pages = studio.web_status()
    used = studio.web_seconds()
    writer = studio.start("change", rate, seconds)
    await asyncio.sleep(2 + seconds / 2)
    threads, _ = studio.web_status()
    connections = await asyncio.to_thread(studio.connections)
    assert await asyncio.to_thread(writer.popen.wait, 120) == 0, f"the writer failed:\n{writer.text()}"
    await asyncio.sleep(2)
    busy = (studio.web_seconds() - used) / seconds
    changes = json.loads(writer.text().splitlines()[-1])
    assert not any(page.lost for page in pages), "streams were lost"
    delays = []
    for page in pages:
        for changed in changes:
            after = [moment for moment in page.times if moment >= changed]
            assert after, "a page missed a change"
            delays.append(after[0] - changed)
        assert page.transport
        page.transport.close()
    await asyncio.sleep(1)
    delays.sort()
    return PagesCost(
        pages=count,
        p50=statistics.median(delays),
        p99=delays[int(len(delays) * 0.99)],
        threads=threads,
        connections=connections,
        bytes_each=(with_pages - before) / count,
        busy=busy,
    )
