"""Both ends of a relay: the far end is its program, the near end connects to a server here."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from builds.proxy import relay
from builds.proxy.relay import MOST, Relay
from tests.services.processes import free_port

MUCH = bytes(range(256)) * 4_000
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def relayed(handler: Handler | None) -> AsyncIterator[int]:
    """Give the port of a far end whose connections a handler answers, or nobody."""
    server = await asyncio.start_server(handler or echo, "127.0.0.1", 0)
    port, far_port = server.sockets[0].getsockname()[1], free_port()
    if handler is None:
        server.close()
    argv = [sys.executable, "-I", "-S", "-c", Path(relay.__file__).read_text(), str(far_port)]
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe)
    assert program.stdin is not None
    assert program.stdout is not None
    ready = asyncio.Event()
    running = asyncio.ensure_future(Relay(program.stdin, port, ready.set).run(program.stdout))
    await ready.wait()
    yield far_port
    program.stdin.close()
    await program.wait()
    await running
    server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def sent_and_returned(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.readexactly(len(data))
    writer.close()
    return answer


def test_many_connections_carry_much_in_both_directions() -> None:
    async def run() -> list[bytes]:
        async with relayed(echo) as port:
            return await asyncio.gather(*(sent_and_returned(port, MUCH[number:]) for number in range(10)))

    assert asyncio.run(run()) == [MUCH[number:] for number in range(10)]


def test_a_connection_that_nobody_reads_holds_up_no_other() -> None:
    async def run() -> bytes:
        async with relayed(echo) as port:
            _, stuck = await asyncio.open_connection("127.0.0.1", port)
            stuck.write(20 * MUCH)
            answer = await sent_and_returned(port, MUCH)
            stuck.transport.abort()
            return answer

    assert asyncio.run(run()) == MUCH


def test_a_connection_that_ends_at_one_end_ends_at_the_other_after_all_its_bytes() -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(1) == b"a":
            writer.write(MUCH)
            writer.close()
        else:
            await reader.read()
            ended.set()

    async def run() -> bytes:
        async with relayed(answer) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"a")
            received = await reader.read()
            _, left = await asyncio.open_connection("127.0.0.1", port)
            left.write(b"b")
            left.close()
            await ended.wait()
            return received

    assert asyncio.run(run()) == MUCH


def test_connections_beyond_the_limit_end_and_the_others_go_on() -> None:
    async def run() -> tuple[set[bytes], set[bytes]]:
        async with relayed(echo) as port:
            within = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST)]
            for _, writer in within:
                writer.write(b"a")
            answers = {await reader.readexactly(1) for reader, _ in within}
            beyond = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
            ends = {await reader.read() for reader, _ in beyond}
            for _, writer in (*within, *beyond):
                writer.close()
            return answers, ends

    assert asyncio.run(run()) == ({b"a"}, {b""})


def test_a_connection_that_nobody_takes_ends() -> None:
    async def run() -> bytes:
        async with relayed(None) as port:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            return await reader.read()

    assert asyncio.run(run()) == b""
