"""The lines, or words, that differ between two texts, in bounded time for any two texts.

Lines that occur once on both sides are matched first (as `git diff --patience` does); between them the shortest edit
is looked for (Myers, “An O(ND) Difference Algorithm”, 1986). What would take longer than the budget counts as replaced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

STEPS = 1_500_000
"""The steps of a search that takes about a second."""
_MAX_EDITS = 400  # between two matches
_MAX_DEPTH = 30

Block = tuple[int, int, int, int]
"""Lines i1:i2 of the old text that became lines j1:j2 of the new text."""


class Budget:
    """The steps that are left of a search, or of several."""

    def __init__(self, steps: int = STEPS) -> None:
        self.steps = steps


def changed_blocks(old: Sequence[str], new: Sequence[str], budget: Budget | None = None) -> list[Block]:
    """Return the blocks of lines that differ, in order; with a budget that is used up, larger blocks."""
    budget = Budget() if budget is None else budget
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
