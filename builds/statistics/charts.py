"""Charts as coordinates of an SVG: bars and lines, drawn without a script."""

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from builds.statistics.figures import Figures, Report

WIDTH = 280
TOP, BOTTOM = 18, 104  # of the plot; the days are below it
COUNTS = (1, 2, 3, 4, 5, 6, 8, 10)  # and their tenfolds
SECONDS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600)


@dataclass(frozen=True)
class Segment:
    """A segment of a bar. Coordinates are strings: numbers in an SVG need a decimal point in every language."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    """The slot of a day or week: its segments, from the bottom up, or its dots."""

    figures: Figures
    x: str
    middle: str
    width: str
    pieces: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line through the known values, with gaps for missing values."""

    kind: str
    path: str
    dots: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Chart:
    """A chart: its name, its bars or lines, and the value at the top of its plot."""

    name: str
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    top: float
    first: datetime.date
    last: datetime.date

    @property
    def empty(self) -> bool:
        """Whether it has neither bars nor lines."""
        return not any(bar.pieces for bar in self.bars) and not any(line.dots for line in self.lines)


def make_charts(report: Report) -> dict[str, Chart]:
    """Return the three charts of a period: outcomes, durations, and requests that needed no build."""
    ends = {"good": _of("succeeded"), "bad": _of("failed"), "quiet": _of("cancelled")}
    requests = {"good": _of("at_once"), "note": _of("joined"), "quiet": _of("new")}
    return {
        "ends": bars("ends", report.parts, ends),
        "times": lines("times", report.parts, {"most": _of("most"), "half": _of("half")}),
        "asked": bars("asked", report.parts, requests),
    }


def _of(name: str) -> Callable[[Figures], Any]:
    return lambda figures: getattr(figures, name)


def bars(name: str, parts: Sequence[Figures], kinds: dict[str, Callable[[Figures], int]]) -> Chart:
    """Return a stacked bar chart."""
    top = rounded_up(max((sum(count(part) for count in kinds.values()) for part in parts), default=0))
    slot = WIDTH / max(1, len(parts))
    wide = max(1.0, slot * 0.72) if len(parts) > 1 else slot * 0.2
    bars_ = []
    for number, part in enumerate(parts):
        y = float(BOTTOM)
        pieces = []
        for kind, count in kinds.items():
            # A segment stays visible, however small.
            height = max(1.5, (BOTTOM - TOP) * count(part) / top) if count(part) else 0
            y -= height
            if height:
                pieces.append(Segment(kind, coordinate(y), coordinate(height)))
        middle = slot * (number + 0.5)
        bars_.append(
            Bar(part, coordinate(middle - wide / 2), coordinate(middle), coordinate(wide), tuple(pieces))
        )
    return Chart(name, tuple(bars_), (), top, parts[0].start, parts[-1].start)


def lines(name: str, parts: Sequence[Figures], kinds: dict[str, Callable[[Figures], float | None]]) -> Chart:
    """Return a line chart, with a slot for each part that shows its tooltip."""
    longest = max((of(part) or 0 for of in kinds.values() for part in parts), default=0)
    top = next((step for step in SECONDS if step >= longest), 3600 * math.ceil(longest / 3600))
    slot = WIDTH / max(1, len(parts))
    slots = tuple(
        Bar(part, coordinate(slot * number), coordinate(slot * (number + 0.5)), coordinate(slot))
        for number, part in enumerate(parts)
    )
    drawn = []
    for kind, of in kinds.items():
        path, dots, pen = [], [], "M"
        for bar in slots:
            value = of(bar.figures)
            if value is None:
                pen = "M"
                continue
            y = coordinate(BOTTOM - (BOTTOM - TOP) * value / top)
            path.append(f"{pen}{bar.middle} {y}")
            dots.append((bar.middle, y))
            pen = "L"
        drawn.append(Line(kind, "".join(path), tuple(dots)))
    return Chart(name, slots, tuple(drawn), top, parts[0].start, parts[-1].start)


def rounded_up(count: int) -> int:
    """Return the next round number, for the top of a plot."""
    power: int = 10 ** (len(str(count)) - 1)
    return next(step * power for step in COUNTS if step * power >= count)


def coordinate(value: float) -> str:
    """Format a coordinate of an SVG."""
    return f"{value:.1f}"
