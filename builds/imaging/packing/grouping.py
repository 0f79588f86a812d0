"""Group packages into layers, so that an additional package changes a single layer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError

# Part of every image's key: with other numbers, the same lock is another image.
FORMAT = "grouping-2"
BIG = 2 * 1024**2
# In a full pull a layer costs engine 20.10 more than 60 ms of CPU by itself; fewer buckets make each change larger.
BUCKETS = 8
MOST_LAYERS = 40
DEEPEST = 120  # engines refuse images of more than 127 layers


@dataclass(frozen=True, slots=True)
class Grouping:
    """Wheels that get a layer of their own, and the others in buckets; all in the image's order."""

    alone: tuple[WheelFile, ...]
    buckets: tuple[tuple[WheelFile, ...], ...]


def layer_budget(base_layers: int) -> int:
    """Return how many layers may be put on top of a base of that many."""
    budget = min(MOST_LAYERS, DEEPEST - base_layers)
    if budget < 2:
        raise ImageError(
            "too-many-layers",
            f"The base image has {base_layers} layers, which leaves no room for packages on top.",
            "Join some of its RUN lines, or flatten it.",
        )
    return budget


def grouped(wheels: Iterable[WheelFile], budget: int) -> Grouping:
    """Spread the wheels over at most `budget` layers; a wheel's place depends on its own name and size."""
    by_name = sorted(wheels, key=lambda wheel: wheel.name)
    count = min(BUCKETS, max(1, budget // 2))
    big = sorted((w for w in by_name if w.size >= BIG), key=lambda wheel: (-wheel.size, wheel.name))
    alone = {wheel.name for wheel in big[: budget - count]}
    buckets: list[list[WheelFile]] = [[] for _ in range(count)]
    for wheel in by_name:
        if wheel.name not in alone:
            number = int.from_bytes(hashlib.sha256(wheel.name.encode()).digest()[:4], "big")
            buckets[number % count].append(wheel)
    return Grouping(
        alone=tuple(wheel for wheel in by_name if wheel.name in alone),
        buckets=tuple(tuple(bucket) for bucket in buckets if bucket),
    )
