"""A treemap: rectangles whose areas are sizes, as near to squares as they come (Bruls, Huizing, van Wijk, 2000)."""

from collections.abc import Sequence
from dataclasses import dataclass

LETTER = 7.2  # how wide a letter of a label is, roughly
LINE = 17
MARGIN = 6


@dataclass(frozen=True)
class Area:
    """A rectangle of the map, and the words that fit into it."""

    name: str
    size: int
    kind: str
    x: float
    y: float
    width: float
    height: float

    @property
    def label(self) -> str:
        """The name, where there is room for it; else nothing, rather than half of it."""
        fits = len(self.name) * LETTER + 2 * MARGIN <= self.width and self.height >= LINE + MARGIN
        return self.name if fits else ""

    @property
    def roomy(self) -> bool:
        """Whether a second line has room."""
        return bool(self.label) and self.width >= 70 and self.height >= 2 * LINE + MARGIN


Item = tuple[str, int, str]  # name, size, kind


def treemap(items: Sequence[Item], width: float, height: float) -> list[Area]:
    """Return an area for each of these, biggest first; what weighs nothing has none."""
    left = sorted((item for item in items if item[1] > 0), key=lambda item: (-item[1], item[0]))
    total = sum(size for _, size, _ in left)
    if not total:
        return []
    scale = width * height / total
    x = y = 0.0
    areas: list[Area] = []
    while left:
        short = max(min(width, height), 1e-9)
        row = _row(left, scale, short)
        left = left[len(row) :]
        thick = sum(size for _, size, _ in row) * scale / short
        along = 0.0
        for name, size, kind in row:
            long = size * scale / thick
            if width >= height:
                areas.append(_area(name, size, kind, x, y + along, thick, long))
            else:
                areas.append(_area(name, size, kind, x + along, y, long, thick))
            along += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
    return areas


def _row(left: Sequence[Item], scale: float, short: float) -> list[Item]:
    """Return those that stand beside each other along the short side: as many as make them no longer."""
    row = [left[0]]
    total = left[0][1] * scale
    worst = _longest(total, total, total, short)
    for item in left[1:]:
        more = total + item[1] * scale
        longest = _longest(more, row[0][1] * scale, item[1] * scale, short)
        if longest > worst:
            break
        row.append(item)
        total, worst = more, longest
    return row


def _longest(total: float, biggest: float, smallest: float, short: float) -> float:
    """Return how much longer than wide the least square of a row's rectangles is."""
    return max(short * short * biggest / (total * total), total * total / (short * short * smallest))


def _area(name: str, size: int, kind: str, x: float, y: float, width: float, height: float) -> Area:
    return Area(name, size, kind, round(x, 1), round(y, 1), round(width, 1), round(height, 1))
