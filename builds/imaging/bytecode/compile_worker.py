"""The process that compiles Python sources: reads batches from stdin, writes bytecode to stdout.

Runs as a script under the target's Python, which may be older than the studio's: it imports nothing else. As
`compile_worker.py pool N` it compiles N batches at a time, each in a process of its own, and answers all of them.
"""

import gc
import importlib.util
import marshal
import os
import select
import signal
import struct
import sys
import warnings
from collections import deque
from typing import Deque, List, Optional, Sequence, Tuple  # noqa: UP035

LENGTH = struct.Struct("<q")
NOTHING = -1
# The second version of the format has no references, whose places depend on what was compiled before.
MARSHAL_VERSION = 2
UNCHECKED_HASH = struct.pack("<I", 0b01)
MEMORY_BYTES = 1024**3
CPU_SECONDS = 600

Items = List[Optional[bytes]]  # noqa: UP006, UP045
Running = Tuple[Items, int, int]  # noqa: UP006
"""A batch that is compiled, the process that does it, and its output."""


def framed(items: "Sequence[Optional[bytes]]") -> bytes:  # noqa: UP045
    """Return byte strings, some of which may be None, as one message."""
    pieces = []
    for item in items:
        pieces.append(LENGTH.pack(NOTHING if item is None else len(item)))
        pieces.append(item or b"")
    body = b"".join(pieces)
    return LENGTH.pack(len(body)) + body


def unframed(body: bytes) -> Items:
    """Return the byte strings of a message without its length. Raises ValueError if it is none."""
    items: Items = []
    at = 0
    while at < len(body):
        if at + LENGTH.size > len(body):
            raise ValueError("a message ends within a length")
        size = LENGTH.unpack_from(body, at)[0]
        at += LENGTH.size
        if size == NOTHING:
            items.append(None)
            continue
        if size < 0 or at + size > len(body):
            raise ValueError("a message ends within an item")
        items.append(body[at : at + size])
        at += size
    return items


def compiled(source: bytes, path: str) -> Optional[bytes]:  # noqa: UP045
    """Return the .pyc of a source as the file at `path`, or None for one that is no Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return head + marshal.dumps(code, MARSHAL_VERSION)


def answers(batch: Items) -> bytes:
    """Return the message that answers a batch: path, source, path, source, …"""
    pairs = zip(batch[::2], batch[1::2])  # noqa: B905
    return framed([compiled(source or b"", (path or b"").decode()) for path, source in pairs])


def received(descriptor: int) -> Optional[bytes]:  # noqa: UP045
    """Return the next message, or None at the end."""
    length = exactly(descriptor, LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    size = LENGTH.unpack(length)[0]
    body = exactly(descriptor, size)
    return body if len(body) == size else None


def exactly(descriptor: int, size: int) -> bytes:
    """Return so many bytes, or fewer at the end."""
    pieces = []
    while size > 0:
        piece = os.read(descriptor, min(size, 1 << 20))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def send(descriptor: int, message: bytes) -> None:
    """Write all of a message."""
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]


def one_by_one(incoming: int, outgoing: int) -> None:
    """Compile batch after batch in this process. One that brings it down has no answer."""
    while True:
        body = received(incoming)
        if body is None:
            return
        send(outgoing, answers(unframed(body)))


def pool(incoming: int, outgoing: int, count: int) -> None:
    """Compile so many batches at a time, each in a process of its own; the answers keep the batches' order."""
    running: Deque[Running] = deque()  # noqa: UP006
    reading = True
    while reading or running:
        waiting = [running[0][2]] if running else []
        if reading and len(running) < count:
            waiting.append(incoming)
        ready = select.select(waiting, [], [])[0]
        if incoming in ready:
            body = received(incoming)
            if body is None:
                reading = False
            else:
                running.append(begin(unframed(body)))
        else:
            send(outgoing, finished(running.popleft()))


def begin(batch: Items) -> Running:
    """Start a process that compiles a batch."""
    output, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            limit()
            send(writing, answers(batch))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    return batch, process, output


def limit() -> None:
    """Limit the memory and the time of this process."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def finished(running: Running) -> bytes:
    """Return a batch's answer. A source can bring its process down: it is found, and gets no bytecode."""
    batch, process, output = running
    body = received(output)
    os.close(output)
    os.waitpid(process, 0)
    if body is not None:
        return LENGTH.pack(len(body)) + body
    sources = len(batch) // 2
    if sources <= 1:
        return framed([None])
    half = sources // 2 * 2
    parts = [finished(begin(part)) for part in (batch[:half], batch[half:])]
    return framed([item for part in parts for item in unframed(part[LENGTH.size :])])


def main() -> None:
    warnings.simplefilter("ignore")
    gc.disable()
    incoming, outgoing = 0, os.dup(1)
    os.dup2(2, 1)
    if sys.argv[1:2] == ["pool"]:
        pool(incoming, outgoing, int(sys.argv[2]))
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    one_by_one(incoming, outgoing)


if __name__ == "__main__":
    main()
