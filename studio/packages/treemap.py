"""A treemap: rectangles whose areas are sizes, as near to squares as they come (Bruls, Huizing, van Wijk, 2000)."""

from collections.abc import Sequence
from dataclasses import dataclass

import squarify

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
    heavy = sorted((item for item in items if item[1] > 0), key=lambda item: (-item[1], item[0]))
    if not heavy:
        return []
    # Anything smaller than a billionth is below floating-point precision here.
    least = heavy[0][1] * 1e-9
    sizes = squarify.normalize_sizes([max(size, least) for _, size, _ in heavy], width, height)
    return [
        Area(*item, *(round(rectangle[side], 1) for side in ("x", "y", "dx", "dy")))
        for item, rectangle in zip(heavy, squarify.squarify(sizes, 0, 0, width, height), strict=True)
    ]
