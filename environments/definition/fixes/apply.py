"""Apply fixes to a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from environments.definition.findings.finding import Edit, Finding, Fix

_Change = tuple[int, int, str]


def apply_fix(text: str, fix: Fix) -> str:
    """Return the text with the edits of one fix."""
    return _with(text, _changes(_starts(text), len(text), fix.edits))


def apply_safe_fixes(text: str, findings: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """Return the text with every safe fix that touches no other, and the findings that they were for."""
    starts = _starts(text)
    taken: list[_Change] = []
    fixed: list[Finding] = []
    for finding in findings:
        if finding.fix is None or not finding.fix.safe:
            continue
        changes = _changes(starts, len(text), finding.fix.edits)
        if not any(_touch(change, other) for change in changes for other in taken):
            taken += changes
            fixed.append(finding)
    return _with(text, taken), fixed


def _starts(text: str) -> list[int]:
    """Return the position at which each line starts."""
    return [0, *accumulate(len(line) + 1 for line in text.split("\n"))]


def _changes(starts: Sequence[int], length: int, edits: Iterable[Edit]) -> list[_Change]:
    def position(line: int, column: int) -> int:
        return min(starts[min(line, len(starts)) - 1] + column - 1, length)

    return [
        (position(edit.line, edit.column), position(edit.end_line, edit.end_column), edit.text)
        for edit in edits
    ]


def _touch(change: _Change, other: _Change) -> bool:
    return (change[0] < other[1] and other[0] < change[1]) or change[0] == other[0]


def _with(text: str, changes: Iterable[_Change]) -> str:
    for start, end, new in sorted(changes, key=lambda change: change[:2], reverse=True):
        text = text[:start] + new + text[end:]
    return text
