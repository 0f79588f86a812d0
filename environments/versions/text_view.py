"""A difference of two texts as a page shows it: the changes with lines around them, the lines between folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from environments.definition.edits import Block, Budget, changed_blocks
from environments.versions.text_diff import MARKING, DiffRow, Part, changed_rows, lines_of, same_rows

CONTEXT = 3  # lines around a change
MAX_CHANGED = 2_000  # rows that differ, of one page
MAX_FOLDED = 2_000  # rows that a page holds folded; the others need a page of their own
MAX_LINE = 5_000  # characters of a line


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the unified view: its sign, its numbers and its parts."""

    sign: str  # "+", "-" or empty
    old_number: int | None
    new_number: int | None
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Section:
    """Rows that are shown together: a change with the lines around it, or unchanged lines that are folded."""

    rows: Sequence[DiffRow]
    folded: int = 0
    """The number of unchanged lines, if they are folded; without rows they are too many for this page."""

    @property
    def lines(self) -> Iterator[Line]:
        """The rows as lines below each other: of each run of changes the removed lines first."""
        removed: list[Line] = []
        added: list[Line] = []
        for row in self.rows:
            if row.same:
                yield from [*removed, *added]
                removed, added = [], []
                yield Line("", row.old_number, row.new_number, row.old_parts)
                continue
            if row.old_number is not None:
                removed.append(Line("-", row.old_number, None, row.old_parts))
            if row.new_number is not None:
                added.append(Line("+", None, row.new_number, row.new_parts))
        yield from [*removed, *added]


@dataclass(frozen=True)
class TextView:
    """Two texts compared: the sections of a page, and how many lines were added and removed."""

    sections: list[Section] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    more: int = 0
    """The number of changed lines that are too many for a page."""

    @property
    def folds(self) -> bool:
        """Whether any lines are folded."""
        return any(section.folded for section in self.sections)

    @property
    def same(self) -> bool:
        """Whether the texts have the same lines."""
        return not self.added and not self.removed


def compare_texts(old: str, new: str, *, whole: bool = False) -> TextView:
    """Compare two texts; `whole` folds nothing, as far as a page may hold it."""
    before, after = lines_of(old), lines_of(new)
    blocks = changed_blocks(before, after)
    added, removed = sum(j2 - j1 for _, _, j1, j2 in blocks), sum(i2 - i1 for i1, i2, _, _ in blocks)
    sections = _Sections(before, MAX_FOLDED)
    budget = Budget(MARKING)
    i = j = shown = 0
    for block in blocks:
        i1, i2, _, j2 = block
        if shown >= MAX_CHANGED:
            break
        sections.unchanged(i, j, i1 - i, whole=whole)
        rows = list(islice(changed_rows(before, after, block, budget), MAX_CHANGED - shown))
        sections.rows += map(_cut, rows)
        shown += len(rows)
        i, j = i2, j2
    else:
        sections.unchanged(i, j, len(before) - i, whole=whole, last=True)
    sections.flush()
    held = sum(_changed_lines(section.rows) for section in sections.sections)
    return TextView(sections.sections, added, removed, added + removed - held)


def _changed_lines(rows: Sequence[DiffRow]) -> int:
    changed = [row for row in rows if not row.same]
    return sum((row.old_number is not None) + (row.new_number is not None) for row in changed)


class _Sections:
    """The sections of a page, as they are collected."""

    def __init__(self, before: Sequence[str], room: int) -> None:
        self.before = before
        self.room = room  # rows of unchanged lines that the page may still hold
        self.sections: list[Section] = []
        self.rows: list[DiffRow] = []

    def unchanged(self, i: int, j: int, count: int, *, whole: bool, last: bool = False) -> None:
        """Add unchanged lines: those beside a change are shown, those between are folded."""
        head = CONTEXT if self.rows or self.sections else 0
        tail = 0 if last else CONTEXT
        middle = count - head - tail
        if middle <= 1 or (whole and count <= self.room):
            self.room -= count
            self.rows += map(_cut, same_rows(self.before, i, j, count))
            return
        self.rows += map(_cut, same_rows(self.before, i, j, head))
        self.flush()
        folded: list[DiffRow] = []
        if middle <= self.room:
            self.room -= middle
            folded = [_cut(row) for row in same_rows(self.before, i + head, j + head, middle)]
        self.sections.append(Section(folded, middle))
        self.rows += map(_cut, same_rows(self.before, i + head + middle, j + head + middle, tail))

    def flush(self) -> None:
        """End the section that is collected."""
        if self.rows:
            self.sections.append(Section(self.rows))
            self.rows = []


def _cut(row: DiffRow) -> DiffRow:
    """Return a row whose lines are cut to what a page may hold."""
    if max(len(row.old), len(row.new)) <= MAX_LINE:
        return row
    old, new = (
        (Part(text[:MAX_LINE] + "…", not row.same),) if len(text) > MAX_LINE else parts
        for text, parts in ((row.old, row.old_parts), (row.new, row.new_parts))
    )
    return DiffRow(row.old_number, old, row.new_number, new, row.same)


def unified(old: str, new: str, limit: int = MAX_CHANGED) -> tuple[str, bool]:
    """Return the difference in the unified format, and whether all of it is there."""
    before, after = lines_of(old), lines_of(new)
    lines: list[str] = []
    left = limit
    for hunk in _hunks(changed_blocks(before, after)):
        size = sum(i2 - i1 + j2 - j1 for i1, i2, j1, j2 in hunk)
        if size > left:
            return "".join(f"{line}\n" for line in lines), False
        left -= size
        lines += _hunk_lines(before, after, hunk)
    return "".join(f"{line}\n" for line in lines), True


def _hunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    hunk: list[Block] = []
    for block in blocks:
        if hunk and block[0] - hunk[-1][1] > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(block)
    if hunk:
        yield hunk


def _hunk_lines(before: Sequence[str], after: Sequence[str], hunk: Sequence[Block]) -> Iterator[str]:
    head = min(CONTEXT, hunk[0][0])
    start, start_new = hunk[0][0] - head, hunk[0][2] - head
    end = min(len(before), hunk[-1][1] + CONTEXT)
    end_new = hunk[-1][3] + end - hunk[-1][1]
    # A range without lines is named by the line before it.
    old_range = f"{start + (end > start)},{end - start}"
    new_range = f"{start_new + (end_new > start_new)},{end_new - start_new}"
    yield f"@@ -{old_range} +{new_range} @@"
    at = start
    for i1, i2, j1, j2 in hunk:
        yield from (f" {line}" for line in before[at:i1])
        yield from (f"-{line}" for line in before[i1:i2])
        yield from (f"+{line}" for line in after[j1:j2])
        at = i2
    yield from (f" {line}" for line in before[at:end])
