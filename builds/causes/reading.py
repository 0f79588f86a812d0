"""Find the causes of a failure in the output of a step, the root cause first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from builds.causes.catalogue import CATALOGUE
from builds.causes.signs import SIGNS, Sign
from builds.imaging.reporting import Fault, ImageError

Line = tuple[int, str]
"""A line of the log, with its number."""

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_OF_BUILDKIT = re.compile(r"^#\d+ (?:\d+\.\d+ )?")
_MOST = 4
_LINE_BEGINNING, _LINE_END = 1500, 500
"""The signs on both ends of a long line that are searched for a cause."""


@dataclass(frozen=True)
class Clue:
    """A line that shows a cause: the cause, the line's number and its words, whose fault and what to do."""

    code: str
    line: int
    text: str
    fault: Fault
    help: str
    sign: Sign

    def to_json(self) -> dict[str, object]:
        """Return it as builds keep it, in the form of their own error."""
        return {
            "code": self.code,
            "message": f"{CATALOGUE[self.code].title}: {self.text}",
            "help": self.help,
            "fault": self.fault,
            "line": self.line,
        }


@dataclass(frozen=True)
class Diagnosis:
    """Which line shows why a build failed, and what else its log shows that may have to do with it."""

    line: int | None
    others: tuple[Clue, ...] = ()


@cache
def _any_sign() -> re.Pattern[str]:
    # Made when a build has failed: it takes a tenth of a second, which every start would wait for.
    return re.compile("|".join(f"(?:{sign.pattern.pattern})" for sign in SIGNS), re.IGNORECASE)


def clues_in(lines: Iterable[Line]) -> list[Clue]:
    """Return every line that shows a cause, in the order of the log."""
    result, any_sign = [], _any_sign()
    for number, line in lines:
        text = _OF_BUILDKIT.sub("", _STYLE.sub("", _shortened(line)))
        if any_sign.search(text) is None:
            continue
        sign = next((sign for sign in SIGNS if sign.pattern.search(text)), None)
        if sign is not None:
            entry = CATALOGUE[sign.code]
            fault, help = sign.fault or entry.fault, sign.help or entry.help
            result.append(Clue(sign.code, number, text.strip()[:500], fault, help, sign))
    return result


def _shortened(line: str) -> str:
    if len(line) <= _LINE_BEGINNING + _LINE_END:
        return line
    return f"{line[:_LINE_BEGINNING]} … {line[-_LINE_END:]}"


def first_real(clues: Sequence[Clue]) -> Clue | None:
    """Return the clue to what went wrong first, not to what came of it."""
    strong = [clue for clue in clues if clue.sign.weight]
    if not strong:
        return None
    best = max(strong, key=lambda clue: (clue.sign.weight, -clue.line))
    before = (clue for clue in clues if not clue.sign.weight and clue.line < best.line)
    return next((clue for clue in before if best.code in clue.sign.explains), best)


def diagnose(failure: ImageError, lines: Sequence[Line], begins: int | None = None) -> Diagnosis:
    """Return the line that shows a failure among those of the step that failed, which `begins` at a line."""
    candidates = [line for line in lines if begins is None or line[0] >= begins]
    clues = clues_in(candidates)
    real = first_real([clue for clue in clues if clue.code == failure.code])
    real = real or next((clue for clue in clues if clue.code == failure.code), None)
    others: dict[str, Clue] = {}
    for clue in sorted(clues, key=lambda clue: (-clue.sign.weight, clue.line)):
        if clue.sign.weight and clue.code != failure.code:
            others.setdefault(clue.code, clue)
    entry = CATALOGUE.get(failure.code)
    if real is not None:
        line: int | None = real.line
    elif entry is not None and entry.shown_at == "beginning" and begins is not None:
        line = begins
    elif entry is not None and entry.shown_at == "last line":
        line = next((number for number, text in reversed(candidates) if text.strip()), None)
    else:
        line = None
    of_a_tool = entry is not None and entry.of_a_tool
    return Diagnosis(line, tuple(others.values())[: _MOST - 1] if of_a_tool else ())
