"""Sending a blob: which part of it, and a piece at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

CHUNK = 512 * 1024

# Threads of their own, and few: a slow disk holds up pulls, not pages.
_readers = ThreadPoolExecutor(4, thread_name_prefix="blob")
_RANGE = re.compile(r"\s*+bytes\s*+=\s*+(\d*+)\s*+-\s*+(\d*+)\s*+", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range lies behind the end."""


def part(header: str, size: int) -> tuple[int, int] | None:
    """Return first byte and length of what a Range header asks for; None where it means the whole.

    Several ranges at once, and what cannot be read, mean the whole (RFC 9110, 14.2). Raises Unsatisfiable.
    """
    match = _RANGE.fullmatch(header[:200])
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise Unsatisfiable
        return size - length, length
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, last - first + 1


class BlobBody:
    """A part of an open file, read only as fast as the client takes it. Closes the file.

    An asynchronous iterator: Django would read a plain one whole into memory before it sends anything.
    """

    def __init__(self, file: BinaryIO, first: int, length: int) -> None:
        self._file = file
        self._first = first
        self._length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        left = self._length
        try:
            await loop.run_in_executor(_readers, self._file.seek, self._first)
            while left > 0:
                chunk = await loop.run_in_executor(_readers, self._file.read, min(CHUNK, left))
                if not chunk:
                    raise OSError("The blob is shorter than its size in the manifest.")
                left -= len(chunk)
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; Django calls it at the end of the response, however that ends."""
        self._file.close()
