"""Compile deterministic bytecode in child processes or in a container, on every core."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

from builds.confinement.confine import Confinement, environment, start
from builds.imaging.bytecode.compile_worker import LENGTH, MEMORY_BYTES, answered, framed, unframed
from builds.imaging.bytecode.interpreters import Interpreter, Minor
from builds.imaging.bytecode.stream import Stream

_WORKER = Path(__file__).with_name("compile_worker.py")

# Part of the key of every cached segment that holds bytecode.
FORMAT = "pyc-3"

Source = tuple[str, bytes]
"""Where the file will be in the image, and its text."""

Compiled = tuple[bytes | None, list[str]]
"""The bytecode, None for what is no Python; and what the module imports, relative names with their dots."""


def key(interpreter: Interpreter | None) -> str:
    """Return the part of a cache key that tells whose bytecode, if any, is in what is cached."""
    return f"{FORMAT} {interpreter.identity}" if interpreter is not None else "no-bytecode"


def cached_path(path: str, python: Minor) -> str:
    """Return where the bytecode of a source belongs."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-{python[0]}{python[1]}.pyc"


def worth_compiling(path: str) -> bool:
    """Return whether a source gets bytecode. Test suites do not: hardly anybody imports them."""
    return path.endswith(".py") and not {"tests", "test"} & set(path.split("/")[:-1])


class Compilers:
    """A few processes that compile. Use as a context manager: leaving it ends them at once.

    They are children of this process; those of a base's Python are in a container, at the other end of the
    descriptor that this process has inherited.
    """

    def __init__(self, interpreter: Interpreter, count: int) -> None:
        self._interpreter = interpreter
        self._stream = Stream() if interpreter.provider == "base" else None
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="compile")
        self._mine = threading.local()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._pool.shutdown()
        for child in self._children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def close(self) -> None:
        """End the children; what they have not answered yet is cancelled."""
        if self._stream is not None:
            self._stream.close()
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def compile(self, batch: Sequence[Source]) -> Future[list[Compiled]]:
        """Start compiling a batch; the future gives the results in order."""
        if self._stream is not None:
            return self._stream.compile(question(batch), len(batch))
        return self._pool.submit(self._compile, batch)

    def _compile(self, batch: Sequence[Source]) -> list[Compiled]:
        child = getattr(self._mine, "child", None) or self._start()
        try:
            return _ask(child, batch)
        except (EOFError, BrokenPipeError):
            # A source can bring its compiler down. Find that source, and leave it without bytecode.
            self._mine.child = None
            if self._closed:
                raise
        if len(batch) == 1:
            return [(None, [])]
        half = len(batch) // 2
        return self._compile(batch[:half]) + self._compile(batch[half:])

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise EOFError
            child = start(
                [self._interpreter.path, "-s", "-S", "-X", "utf8", str(_WORKER)],
                Confinement(reads=(*self._interpreter.reads, _WORKER), memory=MEMORY_BYTES),
                session=False,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Sets of strings are written in the order of their hashes.
                env=environment({"PYTHONHASHSEED": "0"}),
            )
            self._children.add(child)
        self._mine.child = child
        return child


def question(batch: Sequence[Source]) -> bytes:
    """Return a batch as the message that the process reads."""
    return framed([part for path, source in batch for part in (f"/{path}".encode(), source)])


def _ask(child: subprocess.Popen[bytes], batch: Sequence[Source]) -> list[Compiled]:
    assert child.stdin is not None  # noqa: S101
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(question(batch))
    child.stdin.flush()
    length = child.stdout.read(LENGTH.size)
    if len(length) < LENGTH.size:
        raise EOFError
    size = LENGTH.unpack(length)[0]
    answer = child.stdout.read(size)
    if len(answer) < size:
        raise EOFError
    return answered(unframed(answer))
