"""The lines that differ between two texts, in bounded time, for any two texts.

Lines that occur once on both sides are matched first (as `git diff --patience` does); between them the shortest edit
is looked for (Myers, “An O(ND) Difference Algorithm”, 1986). What would take longer than the budget counts as replaced.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

MAX_ROWS = 20_000
STEPS = 1_500_000  # of the search, about a second
_MAX_EDITS = 400  # between two matches
_MAX_DEPTH = 30
_MAX_MARKED = 1_000  # characters of a line whose words are compared
_MARKING = 1_000_000  # steps of comparing the words of lines
_SIMILAR = 0.5  # lines that have less in common are different lines

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")

Block = tuple[int, int, int, int]
"""Lines i1:i2 of the old text that became lines j1:j2 of the new text."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a line; `marked` if it differs from the other side's line."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A row of two texts side by side; a number is None, and the parts are empty, if that side has no line."""

    old_number: int | None
    old_parts: tuple[Part, ...]
    new_number: int | None
    new_parts: tuple[Part, ...]
    same: bool

    @property
    def old(self) -> str:
        """The line of the old text."""
        return "".join(part.text for part in self.old_parts)

    @property
    def new(self) -> str:
        """The line of the new text."""
        return "".join(part.text for part in self.new_parts)


class Budget:
    """The steps that are left of a search."""

    def __init__(self, steps: int = _MARKING) -> None:
        self.steps = steps


def lines_of(text: str) -> list[str]:
    """Return the lines of a text without their line feeds; other breaks, such as form feeds, stay in the lines."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def side_by_side(old: str, new: str, limit: int = MAX_ROWS) -> list[DiffRow]:
    """Return two texts as rows of lines, equal lines in the same row, with the words that differ marked.

    At the limit, a row that says that there are more ends them.
    """
    before, after = lines_of(old), lines_of(new)
    rows = list(islice(_rows(before, after, changed_blocks(before, after)), limit + 1))
    if len(rows) > limit:
        rows[limit:] = [DiffRow(None, (Part("…"),), None, (Part("…"),), True)]
    return rows


def _rows(before: Sequence[str], after: Sequence[str], blocks: Sequence[Block]) -> Iterator[DiffRow]:
    budget = Budget(_MARKING)
    i = j = 0
    for i1, i2, j1, j2 in [*blocks, (len(before), len(before), len(after), len(after))]:
        yield from same_rows(before, i, j, i1 - i)
        yield from changed_rows(before, after, (i1, i2, j1, j2), budget)
        i, j = i2, j2


def same_rows(before: Sequence[str], i: int, j: int, count: int) -> Iterator[DiffRow]:
    """Yield rows of lines that both sides have, from line i of the old and line j of the new text."""
    for step in range(count):
        part = (Part(before[i + step]),)
        yield DiffRow(i + step + 1, part, j + step + 1, part, True)


def changed_rows(
    before: Sequence[str], after: Sequence[str], block: Block, budget: Budget
) -> Iterator[DiffRow]:
    """Yield the rows of a block that differs."""
    i1, i2, j1, j2 = block
    for left, right in zip_longest(range(i1, i2), range(j1, j2)):
        old_parts, new_parts = _marked(
            None if left is None else before[left], None if right is None else after[right], budget
        )
        numbers = [None if number is None else number + 1 for number in (left, right)]
        yield DiffRow(numbers[0], old_parts, numbers[1], new_parts, False)


def _marked(old: str | None, new: str | None, budget: Budget) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Return the parts of two lines that take each other's place."""
    whole = tuple(() if line is None else (Part(line),) for line in (old, new))
    if old is None or new is None or budget.steps < 0 or max(len(old), len(new)) > _MAX_MARKED:
        return whole[0], whole[1]
    left, right = _TOKENS.findall(old), _TOKENS.findall(new)
    length = len(left) + len(right)
    budget.steps -= length
    if 2 * (Counter(left) & Counter(right)).total() < _SIMILAR * length:
        return whole[0], whole[1]
    blocks = _blocks(left, right, budget)
    different = sum(i2 - i1 + j2 - j1 for i1, i2, j1, j2 in blocks)
    if length - different < _SIMILAR * length:
        return whole[0], whole[1]
    return (
        _parts(left, [(i1, i2) for i1, i2, _, _ in blocks]),
        _parts(right, [(j1, j2) for _, _, j1, j2 in blocks]),
    )


def _parts(tokens: Sequence[str], marked: Sequence[tuple[int, int]]) -> tuple[Part, ...]:
    """Return the parts of a line of which these tokens are marked."""
    parts = []
    at = 0
    for first, last in (*marked, (len(tokens), len(tokens))):
        parts += [Part("".join(tokens[at:first])), Part("".join(tokens[first:last]), marked=True)]
        at = last
    return tuple(part for part in parts if part.text)


def changed_blocks(old: Sequence[str], new: Sequence[str], steps: int = STEPS) -> list[Block]:
    """Return the blocks of lines that differ, in order."""
    return _blocks(old, new, Budget(steps))


def _blocks(old: Sequence[str], new: Sequence[str], budget: Budget) -> list[Block]:
    matches = [*_matches(old, new, (0, len(old), 0, len(new)), budget, 0), (len(old), len(new))]
    blocks = []
    i = j = 0
    for left, right in matches:
        if (i, j) != (left, right):
            blocks.append((i, left, j, right))
        i, j = left + 1, right + 1
    return blocks


def _matches(
    old: Sequence[str], new: Sequence[str], within: Block, budget: Budget, depth: int
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of equal lines, in order."""
    i1, i2, j1, j2 = within
    while i1 < i2 and j1 < j2 and old[i1] == new[j1]:
        yield i1, j1
        i1, j1 = i1 + 1, j1 + 1
    tail = 0
    while i1 < i2 - tail and j1 < j2 - tail and old[i2 - tail - 1] == new[j2 - tail - 1]:
        tail += 1
    i2, j2 = i2 - tail, j2 - tail
    if i1 < i2 and j1 < j2:
        anchors = _anchors(old, new, (i1, i2, j1, j2)) if depth < _MAX_DEPTH else []
        if not anchors:
            yield from ((i1 + i, j1 + j) for i, j in _shortest_edit(old[i1:i2], new[j1:j2], budget))
        else:
            for i, j in [*anchors, (i2, j2)]:
                yield from _matches(old, new, (i1, i, j1, j), budget, depth + 1)
                if i < i2:
                    yield i, j
                i1, j1 = i + 1, j + 1
    yield from ((i2 + step, j2 + step) for step in range(tail))


def _anchors(old: Sequence[str], new: Sequence[str], within: Block) -> list[tuple[int, int]]:
    """Return the longest run, in the order of both sides, of lines that each side has exactly once."""
    i1, i2, j1, j2 = within
    times_old, times_new = Counter(old[i1:i2]), Counter(new[j1:j2])
    at = {new[j]: j for j in range(j1, j2) if times_new[new[j]] == 1}
    pairs = [(i, at[old[i]]) for i in range(i1, i2) if times_old[old[i]] == 1 and old[i] in at]
    # Longest increasing subsequence of the positions on the new side
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        last[length : length + 1] = [index]
    run = []
    index = last[-1] if last else -1
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _shortest_edit(old: Sequence[str], new: Sequence[str], budget: Budget) -> list[tuple[int, int]]:
    """Return the pairs of equal lines of a shortest edit; none if the search takes too long."""
    n, m = len(old), len(new)
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(n + m, _MAX_EDITS) + 1):
        trace.append(dict(furthest))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            start = x
            while x < n and x - k < m and old[x] == new[x - k]:
                x += 1
            furthest[k] = x
            budget.steps -= 1 + x - start
            if x >= n and x - k >= m:
                return _backtracked(trace, n, m)
        if budget.steps < 0:
            return []
    return []


def _backtracked(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        furthest = trace[edits]
        k = x - y
        down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        back = k + 1 if down else k - 1
        x_before = furthest[back]
        y_before = x_before - back
        while x > max(x_before, 0) and y > max(y_before, 0):
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = x_before, y_before
    return pairs[::-1]
