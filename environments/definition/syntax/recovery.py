"""Reading on after a fault: without the lines that break the grammar, so that the others are read too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from environments.definition.syntax.tree import Unreadable

T = TypeVar("T")
_MOST_FAULTS = 8
_MOST_CHARACTERS = 3 << 20
"""How much is parsed in all: a hostile file cannot have itself parsed again and again."""


@dataclass(frozen=True, slots=True)
class Recovered(Generic[T]):
    """A document with its faults, in their order; `value` is what could be read of it."""

    value: T | None
    faults: tuple[Unreadable, ...] = ()
    whole: bool = True
    """Whether everything but the faulty lines was read; if not, `value` ends before the last fault."""

    @property
    def open_from(self) -> int | None:
        """The line of the item that was not read to its end; None if there is none."""
        return None if self.whole else self.faults[-1].open_from


def recover(
    text: str,
    parse: Callable[[str], T | None],
    doubtful: Callable[[str, Unreadable], Iterable[tuple[int, int]]],
) -> Recovered[T]:
    """Parse the text, and again without lines that are `doubtful` after a fault (first and last, from 1)."""
    left = _MOST_CHARACTERS - len(text)
    value, fault = _attempt(text, parse)
    faults: list[Unreadable] = []
    while fault is not None:
        faults.append(fault)
        for first, last in doubtful(text, fault):
            candidate = _without(text, first, last)
            if left < len(text) or len(faults) > _MOST_FAULTS or not candidate.strip():
                return Recovered(fault.read, tuple(faults), whole=False)
            left -= len(text)
            value, following = _attempt(candidate, parse)
            if following is None or (following.line or 0) > (fault.line or 0):
                text, fault = candidate, following
                break
        else:
            return Recovered(fault.read, tuple(faults), whole=False)
    return Recovered(value, tuple(faults))


def _attempt(text: str, parse: Callable[[str], T | None]) -> tuple[T | None, Unreadable | None]:
    try:
        return parse(text), None
    except Unreadable as fault:
        return None, fault


def _without(text: str, first: int, last: int) -> str:
    lines = text.split("\n")
    for number in range(max(first, 1), min(last, len(lines)) + 1):
        lines[number - 1] = ""
    return "\n".join(lines)
