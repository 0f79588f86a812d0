"""Two texts side by side, with the words that differ marked, in bounded time for any two texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from environments.definition.edits import Block, Budget, changed_blocks

MAX_ROWS = 20_000
_MAX_MARKED = 1_000  # characters of a line whose words are compared
MARKING = 1_000_000  # steps of comparing the words of lines
_SIMILAR = 0.5  # lines that have less in common are different lines

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")


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
    budget = Budget(MARKING)
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
    blocks = changed_blocks(left, right, budget)
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
