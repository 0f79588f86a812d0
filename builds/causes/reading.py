"""Finding the causes of a failure in the lines that a step wrote, the real one first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from builds.causes.catalogue import CATALOGUE
from builds.causes.signs import SIGNS, Sign
from builds.images.report import Fault, ImageError

Line = tuple[int, str]
"""A line of the log, with its number."""

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_OF_BUILDKIT = re.compile(r"^#\d+ (?:\d+\.\d+ )?")
_MOST = 4


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
    found, any_sign = [], _any_sign()
    for number, line in lines:
        text = _OF_BUILDKIT.sub("", _STYLE.sub("", line))
        if any_sign.search(text) is None:
            continue
        sign = next((sign for sign in SIGNS if sign.pattern.search(text)), None)
        if sign is not None:
            entry = CATALOGUE[sign.code]
            fault, help = sign.fault or entry.fault, sign.help or entry.help
            found.append(Clue(sign.code, number, text.strip()[:500], fault, help, sign))
    return found


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
    told = [line for line in lines if begins is None or line[0] >= begins]
    clues = clues_in(told)
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
        line = next((number for number, text in reversed(told) if text.strip()), None)
    else:
        line = None
    of_a_tool = entry is not None and entry.of_a_tool
    return Diagnosis(line, tuple(others.values())[: _MOST - 1] if of_a_tool else ())
