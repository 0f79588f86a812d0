"""The text that is being fixed, by lines, and the spots in it that findings point at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.definition.findings.finding import Edit, Finding, Fix

_QUOTES = ("'", '"')
_COMMENT = re.compile(r"(?:^|\s)#")
_SPACE = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Spot:
    """A part of one line: the index of its line, and its first and last column, all from 0."""

    line: int
    start: int
    end: int


class Lines:
    """A text as lines; edits are made by the methods, so that they share one way to count."""

    def __init__(self, text: str) -> None:
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.all = [line.removesuffix("\r") for line in text.split("\n")]

    def of(self, finding: Finding) -> str:
        """Return the line of a finding; empty where it has none."""
        number = finding.line or 0
        return self.all[number - 1] if 0 < number <= len(self.all) else ""

    def spot(self, finding: Finding, written: str) -> Spot | None:
        """Return where a finding's text is written, which may be in quotation marks; None if it is not there as such."""
        line, start = self.of(finding), max((finding.column or 1) - 1, 0)
        if not written or not line:
            return None
        if not line.startswith(written, start) and line[start : start + 1] in _QUOTES:
            start += 1
        if not line.startswith(written, start):
            return None
        return Spot((finding.line or 1) - 1, start, start + len(written))

    def matching(self, finding: Finding, pattern: re.Pattern[str], group: int | str = 0) -> Spot | None:
        """Return the first match of a pattern in a finding's line."""
        match = pattern.search(self.of(finding))
        return Spot((finding.line or 1) - 1, *match.span(group)) if match else None

    def replacing(self, spot: Spot, text: str) -> Edit:
        """Return the edit that puts a text in the place of another in one line."""
        return Edit(spot.line + 1, spot.start + 1, spot.line + 1, spot.end + 1, text)

    def inserting(self, index: int, *lines: str) -> Edit:
        """Return the edit that inserts lines before that with this index, or at the end."""
        text = "".join(f"{line}{self.newline}" for line in lines)
        if index < len(self.all):
            return Edit(index + 1, 1, index + 1, 1, text)
        last = len(self.all)
        end = len(self.all[-1]) + 1
        return Edit(last, end, last, end, self.newline + text.removesuffix(self.newline))

    def removing(self, first: int, last: int | None = None) -> Edit:
        """Return the edit that removes lines from one index to another, both included."""
        last = first if last is None else last
        if last + 1 < len(self.all):
            return Edit(first + 1, 1, last + 2, 1, "")
        if first:
            return Edit(first, len(self.all[first - 1]) + 1, last + 1, len(self.all[last]) + 1, "")
        return Edit(1, 1, last + 1, len(self.all[last]) + 1, "")

    def has_comment(self, index: int) -> bool:
        """Whether a line seems to hold a comment, which must not be lost."""
        return _COMMENT.search(self.all[index]) is not None


def indent_of(line: str) -> str:
    """Return the blanks at the start of a line."""
    match = _SPACE.match(line)
    return match[0] if match else ""


def fix(template: str, *edits: Edit, safe: bool = False, **values: str) -> Fix:
    """Return a fix with the label that these values make."""
    return Fix(template.format_map(values), edits, safe, tuple(values.items()), template)
