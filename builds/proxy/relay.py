"""Carry connections over a stream, from where there is no network to the only port that may be reached.

Both ends run this file. The far end is a program: it listens on 127.0.0.1, and its input and output are the stream.
The near end connects to its port for every connection there. A connection that ends at one end ends at the other.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_HEAD = struct.Struct("!IBI")
_READY, _OPEN, _DATA, _CREDIT, _END = range(5)
_WINDOW = 512 << 10
_PIECE = 128 << 10
MOST = 100
"""Connections at a time: each takes files and memory of the near end's process."""


class _Carried:
    """One connection: what has arrived for it, and how many bytes the other end takes before it has passed some on."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.credit = _WINDOW
        self.granted = asyncio.Event()


class Relay:
    """One end of a stream; `ready` is called when the far end listens.

    A reader that is slow holds up its own connection only.
    """

    def __init__(
        self, stream: asyncio.StreamWriter, port: int, ready: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._port = port
        self._ready = ready
        self._carried: dict[int, _Carried] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = 0

    async def run(self, stream: asyncio.StreamReader) -> None:
        """Take what the other end sends until the stream ends."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                number, kind, size = _HEAD.unpack(await stream.readexactly(_HEAD.size))
                self._take(number, kind, await stream.readexactly(size))

    async def listen(self) -> None:
        """Be the far end: every connection to the port here is one to the near end's port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        await self._send(0, _READY)

    def _take(self, number: int, kind: int, data: bytes) -> None:
        if kind == _READY:
            self._ready()
        elif kind == _OPEN and len(self._carried) >= MOST:
            self._start(self._send(number, _END))
        elif kind == _OPEN:
            self._carried[number] = _Carried()
            self._start(self._connect(number))
        elif (carried := self._carried.get(number)) is None:
            return  # it has ended here, which the other end did not know yet
        elif kind == _CREDIT:
            carried.credit += int.from_bytes(data)
            carried.granted.set()
        else:
            carried.arrived.put_nowait(data)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._last += 1
        number = self._last
        self._carried[number] = _Carried()
        await self._send(number, _OPEN)
        await self._carry(number, reader, writer)

    async def _connect(self, number: int) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            await self._send(number, _END)
            del self._carried[number]
            return
        await self._carry(number, reader, writer)

    async def _carry(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = self._carried[number]
        tasks = [
            asyncio.ensure_future(self._outward(number, carried, reader)),
            asyncio.ensure_future(self._inward(number, carried, writer)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.close()
            del self._carried[number]
        await self._send(number, _END)

    async def _outward(self, number: int, carried: _Carried, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(min(_PIECE, carried.credit)):
                carried.credit -= len(data)
                await self._send(number, _DATA, data)
                while not carried.credit:
                    carried.granted.clear()
                    await carried.granted.wait()

    async def _inward(self, number: int, carried: _Carried, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await carried.arrived.get():
                writer.write(data)
                await writer.drain()
                await self._send(number, _CREDIT, len(data).to_bytes(4))

    async def _send(self, number: int, kind: int, data: bytes = b"") -> None:
        with suppress(OSError):  # the stream has ended, which `run` sees
            self._stream.write(_HEAD.pack(number, kind, len(data)) + data)
            await self._stream.drain()


async def _far_end(port: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sys.stdout.buffer
    )
    relay = Relay(asyncio.StreamWriter(transport, protocol, None, loop), port)
    await relay.listen()
    await relay.run(reader)


if __name__ == "__main__":
    asyncio.run(_far_end(int(sys.argv[1])))
