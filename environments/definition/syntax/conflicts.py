"""Merge conflicts that were left in a text: where their markers are, and the two versions between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARKER = re.compile(r"(<{7}|>{7}|={7}|\|{7})(?:[ \t].*)?\r?")
_ANY = re.compile(r"(?m)^(?:<{7}|>{7})(?:[ \t].*)?\r?$")


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The lines of the markers, from 1, and the text as each side has it, with the lines where they were."""

    markers: tuple[tuple[int, str], ...]
    sides: tuple[str, str]


def conflicts(text: str) -> Conflicts | None:
    """Return the conflicts of a text; None if it has none.

    A marker without its counterparts is a line of its own: what is around it belongs to both sides.
    """
    if _ANY.search(text) is None:
        return None
    lines = text.split("\n")
    marks = {number: match[1] for number, line in enumerate(lines) if (match := _MARKER.fullmatch(line))}
    markers: list[tuple[int, str]] = []
    ours, theirs = list(lines), list(lines)
    opened: list[int] = []
    for number, mark in marks.items():
        if mark[0] == "<":
            opened = [number]
        elif opened and mark[0] in "=|":
            opened.append(number)
        if mark[0] in "<>":
            markers.append((number + 1, mark))
            ours[number] = theirs[number] = ""
        if mark[0] == ">" and opened:
            _part(marks, opened, number, ours, theirs)
            markers += [(inner + 1, marks[inner]) for inner in opened[1:]]
            opened = []
    return Conflicts(tuple(sorted(markers)), ("\n".join(ours), "\n".join(theirs)))


def _part(marks: dict[int, str], opened: list[int], end: int, ours: list[str], theirs: list[str]) -> None:
    """Leave in each side only its own lines of one conflict; those of the common ancestor are in neither."""
    middle = next((number for number in opened if marks[number][0] == "="), None)
    if middle is None:
        return
    ancestor = next((number for number in opened if marks[number][0] == "|" and number < middle), middle)
    for number in range(ancestor, end):
        ours[number] = ""
    for number in range(opened[0], middle + 1):
        theirs[number] = ""
