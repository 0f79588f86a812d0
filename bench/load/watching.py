"""Viewers of a build's log on real sockets: when each line reached each of them."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from dataclasses import dataclass, field

from bench.load.bench_studio import BenchStudio

STAMP = re.compile(rb"@(\d+\.\d+)<")
LINES = re.compile(rb'id="L\d+"')
FRAME = re.compile(
    rb"\r\n[0-9a-f]+\r\n(?:\r\n)?"
)  # between the chunks of a chunked answer; events hold no \r
OPENING = 25  # connections that are being opened at a time


@dataclass
class Viewer(asyncio.Protocol):
    """A browser's EventSource: it takes times, and counts lines."""

    request: bytes
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    delays: list[float] = field(default_factory=list)
    lines: int = 0
    finished: bool = False
    took: float = 0.0
    _began: float = 0.0
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._began = time.perf_counter()
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        # Whole parts only: the rest waits for what comes next.
        whole, gap, rest = FRAME.sub(b"", self._rest + data).rpartition(b"</div>")
        if not gap:
            whole, rest = b"", rest
        if rest.endswith(b"\n\n"):
            whole, rest = whole + rest, b""
        self._rest = rest
        self.delays += [now - float(stamp) for stamp in STAMP.findall(whole)]
        self.lines += len(LINES.findall(whole))
        if b"event: state" in whole:
            self.seen.set()
        if b"event: end" in whole:
            self.finished = True
            self.took = time.perf_counter() - self._began

    def connection_lost(self, error: Exception | None) -> None:
        self.seen.set()
        self.ended.set()


@dataclass(frozen=True)
class Seen:
    """Delays and costs of many viewers of one build."""

    viewers: int
    p50: float
    p99: float
    threads: int
    connections: int | None
    bytes_each: float
    busy: float  # of one core


async def opened(studio: BenchStudio, build: str, sessions: list[str], count: int) -> list[Viewer]:
    """Open so many streams; return when each has its first state."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(OPENING)

    async def open_one(number: int) -> Viewer:
        session = sessions[number % len(sessions)]
        head = f"GET /w/lab/builds/{build}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: studio_session={session}"
        async with gate:
            _, viewer = await loop.create_connection(
                lambda: Viewer(f"{head}\r\n\r\n".encode()), "127.0.0.1", studio.port
            )
            await asyncio.wait_for(viewer.seen.wait(), 120)
        return viewer

    return await asyncio.gather(*(open_one(number) for number in range(count)))


async def watched(
    studio: BenchStudio, sessions: list[str], count: int, *, rate: float, seconds: float
) -> Seen:
    """Watch a build with so many viewers while lines are written; fail if a viewer misses a line."""
    build = studio.tell("build")
    _, before = studio.web_status()
    viewers = await opened(studio, build, sessions, count)
    _, with_viewers = studio.web_status()
    used = studio.web_seconds()
    writer = studio.start("write", build, rate, seconds)
    await asyncio.sleep(2 + seconds / 2)
    threads, _ = studio.web_status()
    connections = await asyncio.to_thread(studio.connections)
    await asyncio.wait_for(asyncio.gather(*(viewer.ended.wait() for viewer in viewers)), 120)
    assert writer.popen.wait() == 0, f"the writer failed:\n{writer.text()}"
    busy = (studio.web_seconds() - used) / seconds
    total = int(writer.text().split()[-1])
    wrong = [viewer.lines for viewer in viewers if viewer.lines != total or not viewer.finished]
    assert not wrong, f"{len(wrong)} of {count} viewers did not see {total} lines: {wrong[:5]}"
    delays = sorted(delay for viewer in viewers for delay in viewer.delays)
    return Seen(
        viewers=count,
        p50=statistics.median(delays),
        p99=delays[int(len(delays) * 0.99)],
        threads=threads,
        connections=connections,
        bytes_each=(with_viewers - before) / count,
        busy=busy,
    )


async def caught_up(
    studio: BenchStudio, sessions: list[str], build: str, lines: int, count: int
) -> list[float]:
    """Open a long log with so many late viewers at once; return how long it took each to have all of it."""
    viewers = await opened(studio, build, sessions, count)
    await asyncio.wait_for(asyncio.gather(*(viewer.ended.wait() for viewer in viewers)), 300)
    wrong = [viewer.lines for viewer in viewers if viewer.lines != lines or not viewer.finished]
    assert not wrong, f"{len(wrong)} of {count} viewers did not see {lines} lines: {wrong[:5]}"
    return sorted(viewer.took for viewer in viewers)
