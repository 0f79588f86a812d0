"""Charts as the page draws them: bars and lines in the places of an SVG, no script needed."""

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from builds.figures import Figures, Told

WIDTH = 280
TOP, BOTTOM = 18, 104  # of the plot; the days stand below it
COUNTS = (1, 2, 3, 4, 5, 6, 8, 10)  # and their tenfolds
SECONDS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600)


@dataclass(frozen=True)
class Piece:
    """A part of a bar. Places are texts: numbers in an SVG have a point in every language."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    """What stands above one day or week: its pieces, from the bottom up, or its dots."""

    figures: Figures
    x: str
    middle: str
    width: str
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line through what is known; it has a gap where nothing is."""

    kind: str
    path: str
    dots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Chart:
    """One chart: its name, its bars or lines, and what the top of its plot stands for."""

    name: str
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    top: float
    first: datetime.date
    last: datetime.date

    @property
    def empty(self) -> bool:
        """Whether nothing is on it."""
        return not any(bar.pieces for bar in self.bars) and not any(line.dots for line in self.lines)


def charts_of(told: Told) -> dict[str, Chart]:
    """Return the three charts of a period: how builds ended, how long they took, how often none was needed."""
    ends = {"good": _of("succeeded"), "bad": _of("failed"), "quiet": _of("cancelled")}
    asked = {"good": _of("at_once"), "note": _of("joined"), "quiet": _of("new")}
    return {
        "ends": bars("ends", told.parts, ends),
        "times": lines("times", told.parts, {"most": _of("most"), "half": _of("half")}),
        "asked": bars("asked", told.parts, asked),
    }


def _of(name: str) -> Callable[[Figures], Any]:
    return lambda figures: getattr(figures, name)


def bars(name: str, parts: Sequence[Figures], kinds: dict[str, Callable[[Figures], int]]) -> Chart:
    """Return bars whose pieces stand on one another."""
    top = rounded_up(max((sum(count(part) for count in kinds.values()) for part in parts), default=0))
    slot = WIDTH / max(1, len(parts))
    wide = max(1.0, slot * 0.72) if len(parts) > 1 else slot * 0.2
    made = []
    for number, part in enumerate(parts):
        y = float(BOTTOM)
        pieces = []
        for kind, count in kinds.items():
            # What is there can be seen, however small it is beside the rest.
            height = max(1.5, (BOTTOM - TOP) * count(part) / top) if count(part) else 0
            y -= height
            if height:
                pieces.append(Piece(kind, place(y), place(height)))
        middle = slot * (number + 0.5)
        made.append(Bar(part, place(middle - wide / 2), place(middle), place(wide), tuple(pieces)))
    return Chart(name, tuple(made), (), top, parts[0].start, parts[-1].start)


def lines(name: str, parts: Sequence[Figures], kinds: dict[str, Callable[[Figures], float | None]]) -> Chart:
    """Return lines, with a slot of the width of a bar for each part, in which its words are told."""
    longest = max((of(part) or 0 for of in kinds.values() for part in parts), default=0)
    top = next((one for one in SECONDS if one >= longest), 3600 * math.ceil(longest / 3600))
    slot = WIDTH / max(1, len(parts))
    slots = tuple(
        Bar(part, place(slot * number), place(slot * (number + 0.5)), place(slot))
        for number, part in enumerate(parts)
    )
    drawn = []
    for kind, of in kinds.items():
        path, dots, pen = [], [], "M"
        for one in slots:
            value = of(one.figures)
            if value is None:
                pen = "M"
                continue
            y = place(BOTTOM - (BOTTOM - TOP) * value / top)
            path.append(f"{pen}{one.middle} {y}")
            dots.append((one.middle, y))
            pen = "L"
        drawn.append(Line(kind, "".join(path), tuple(dots)))
    return Chart(name, slots, tuple(drawn), top, parts[0].start, parts[-1].start)


def rounded_up(count: int) -> int:
    """Return a round number that is not below: what the top of a plot stands for."""
    power: int = 10 ** (len(str(count)) - 1)
    return next(step * power for step in COUNTS if step * power >= count)


def place(value: float) -> str:
    """Return a place in an SVG."""
    return f"{value:.1f}"
