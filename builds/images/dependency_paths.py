"""Why a package is in an image: the way from one that somebody asked for."""

from collections import defaultdict, deque
from collections.abc import Sequence

from builds.images.lock import Lock, LockedPackage


def reasons(lock: Lock) -> dict[str, tuple[str, ...]]:
    """Return, by name, the shortest way from a package that was asked for to each; none where no way leads to it."""
    needs: dict[str, list[str]] = defaultdict(list)
    for package in sorted(lock.packages, key=lambda one: one.name):
        for needing in package.needed_by:
            needs[needing].append(package.name)
    ways: dict[str, tuple[str, ...]] = {
        name: (name,) for name in sorted({one.name for one in lock.packages if one.requested})
    }
    waiting = deque(ways)
    while waiting:
        name = waiting.popleft()
        for needed in needs[name]:
            if needed not in ways:
                ways[needed] = (*ways[name], needed)
                waiting.append(needed)
    return ways


def brought_by(lock: Lock, ways: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Return how many bytes each package that was asked for brings: its own, and those first reached from it."""
    sizes: dict[str, int] = defaultdict(int)
    for package in lock.packages:
        way = ways.get(package.name)
        if way:
            sizes[way[0]] += package.size
    return dict(sizes)


def in_order(packages: Sequence[LockedPackage], sort: str) -> list[LockedPackage]:
    """Return packages by name or size, `-` for the other way; otherwise those asked for come first."""
    by_name = sorted(packages, key=lambda one: one.name)
    match sort:
        case "name":
            return by_name
        case "-name":
            return by_name[::-1]
        case "size":
            return sorted(by_name, key=lambda one: one.size)
        case "-size":
            return sorted(by_name, key=lambda one: -one.size)
        case _:
            return sorted(by_name, key=lambda one: not one.requested)
