"""Read a log: from a cursor, between two lines, or the lines that match a query.

The log of an ended build is packed, a run of chunks at a time (`packing`). Readers load chunks first and blocks
afterwards: chunks that are packed in between are loaded twice rather than never.
"""

import json
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from builds.models import LogBlock, LogChunk

_BATCH = 100


@dataclass(frozen=True)
class LogPage:
    """A run of the log, and the cursor after it."""

    chunks: tuple[LogChunk, ...]
    cursor: int

    @property
    def text(self) -> str:
        """The lines, as they were written."""
        return "".join(chunk.text for chunk in self.chunks)


def read_log(build_id: uuid.UUID, after: int = 0, limit: int = 200) -> LogPage:
    """Return up to `limit` chunks after the cursor, oldest first."""
    loose = list(LogChunk.objects.filter(build_id=build_id, seq__gt=after).order_by("seq")[:limit])
    blocks = LogBlock.objects.filter(build_id=build_id, last_seq__gt=after).order_by("first_seq")
    packed: list[LogChunk] = []
    for block in blocks.iterator(1):
        packed += [chunk for chunk in unpack_chunks(block) if chunk.seq > after]
        if len(packed) >= limit:
            break
    chunks = _merged(packed, loose)[:limit]
    return LogPage(tuple(chunks), chunks[-1].seq if chunks else after)


def lines_between(build_id: uuid.UUID, first: int, last: int) -> list[LogChunk]:
    """Return the lines from `first` to `last` inclusive, in chunks that are cut to them."""
    chunks = LogChunk.objects.filter(build_id=build_id, first_line__lte=last).order_by("-seq")
    loose = []
    for chunk in chunks.iterator(_BATCH):
        loose.append(chunk)
        if chunk.first_line <= first:
            break
    blocks = LogBlock.objects.filter(build_id=build_id, first_line__lte=last, last_line__gte=first)
    packed = [chunk for block in blocks.order_by("first_seq") for chunk in unpack_chunks(block)]
    cut = (_cut(chunk, first, last) for chunk in _merged(packed, list(reversed(loose))))
    return [chunk for chunk in cut if chunk is not None]


def find_lines(build_id: uuid.UUID, query: str, limit: int) -> tuple[list[tuple[int, str]], int]:
    """Return the first `limit` lines that contain the query, ignoring case, with their numbers; and the total."""
    needle = query.casefold()
    return matching_lines(build_id, lambda line: needle in line.casefold(), limit)


def matching_lines(
    build_id: uuid.UUID, matches_line: Callable[[str], bool], limit: int
) -> tuple[list[tuple[int, str]], int]:
    """Return the first `limit` lines that match, with their numbers; and the total."""
    count = 0
    matches: list[tuple[int, str]] = []
    for number, line in _lines(build_id):
        if matches_line(line):
            count += 1
            if len(matches) < limit:
                matches.append((number, line))
    return matches, count


def step_at(build_id: uuid.UUID, cursor: int) -> str:
    """Return the step of the last line before the cursor; empty for lines of no step."""
    chunks = LogChunk.objects.filter(build_id=build_id, seq__lte=cursor)
    step = chunks.order_by("-seq").values_list("step", flat=True).first()
    if step is not None:
        return step
    blocks = LogBlock.objects.filter(build_id=build_id, first_seq__lte=cursor).order_by("-first_seq")
    block = blocks.first()
    steps = [chunk.step for chunk in unpack_chunks(block) if chunk.seq <= cursor] if block else []
    return steps[-1] if steps else ""


def pack_chunks(chunks: list[LogChunk]) -> bytes:
    """Return chunks in the format of a block."""
    rows = [
        [chunk.seq, chunk.step, chunk.first_line, chunk.text, chunk.at and round(chunk.at.timestamp(), 3)]
        for chunk in chunks
    ]
    return zlib.compress(json.dumps(rows, ensure_ascii=False).encode(), 6)


def unpack_chunks(block: LogBlock) -> list[LogChunk]:
    """Return the chunks of a block."""
    rows = json.loads(zlib.decompress(block.packed))
    return [
        LogChunk(
            build_id=block.build_id,
            seq=seq,
            step=step,
            first_line=first_line,
            text=text,
            at=datetime.fromtimestamp(at[0], UTC) if at and at[0] else None,
        )
        for seq, step, first_line, text, *at in rows  # older blocks have no times
    ]


def _merged(packed: list[LogChunk], loose: list[LogChunk]) -> list[LogChunk]:
    """Return all chunks in order, without duplicates."""
    by_seq = {chunk.seq: chunk for chunk in (*packed, *loose)}
    return [by_seq[seq] for seq in sorted(by_seq)]


def _cut(chunk: LogChunk, first: int, last: int) -> LogChunk | None:
    lines = chunk.text.removesuffix("\n").split("\n")
    begin = max(first - chunk.first_line, 0)
    kept = lines[begin : max(last - chunk.first_line + 1, 0)]
    if not kept:
        return None
    if len(kept) == len(lines):
        return chunk
    text = "\n".join(kept) + "\n"
    return LogChunk(
        build_id=chunk.build_id,
        seq=chunk.seq,
        step=chunk.step,
        first_line=chunk.first_line + begin,
        text=text,
        at=chunk.at,
    )


def _lines(build_id: uuid.UUID) -> Iterator[tuple[int, str]]:
    cursor = 0
    while (page := read_log(build_id, cursor)).chunks:
        for chunk in page.chunks:
            yield from enumerate(chunk.text.removesuffix("\n").split("\n"), chunk.first_line)
        cursor = page.cursor
