"""The reason a package is in an image: its dependency path from a requested package."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from builds.imaging.lock import Lock, LockedPackage
from environments.definition.packages.specs import pip_name


def reasons(lock: Lock) -> dict[str, tuple[str, ...]]:
    """Return the shortest path from a requested package to each package, by name; unreachable packages are missing."""
    needs: dict[str, list[str]] = defaultdict(list)
    for package in sorted(lock.packages, key=lambda package: package.name):
        for needing in package.needed_by:
            needs[needing].append(package.name)
    paths: dict[str, tuple[str, ...]] = {
        name: (name,) for name in sorted({package.name for package in lock.packages if package.requested})
    }
    waiting = deque(paths)
    while waiting:
        name = waiting.popleft()
        for needed in needs[name]:
            if needed not in paths:
                paths[needed] = (*paths[name], needed)
                waiting.append(needed)
    return paths


def path_to(lock: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the shortest path from a requested package of a stored lock to one package; empty if there is none.

    As `reasons`, which reads the whole lock and finds all of them.
    """
    parents: dict[str, list[str]] = {}
    requested: set[str] = set()
    for package in lock.get("packages", []):
        known = _normal(package["name"])
        parents.setdefault(known, []).extend(package.get("needed_by", ()))
        if package.get("requested"):
            requested.add(known)
    seen = {name}
    paths: deque[tuple[str, ...]] = deque([(name,)])
    while paths:
        path = paths.popleft()
        if path[0] in requested:
            return path
        for parent in sorted(map(_normal, parents.get(path[0], ()))):
            if parent not in seen:
                seen.add(parent)
                paths.append((parent, *path))
    return ()


_normal = lru_cache(maxsize=16_384)(pip_name)


def sizes_by_root(lock: Lock, paths: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Return the bytes of each requested package with the packages first reached from it."""
    sizes: dict[str, int] = defaultdict(int)
    for package in lock.packages:
        path = paths.get(package.name)
        if path:
            sizes[path[0]] += package.size
    return dict(sizes)


def in_order(packages: Sequence[LockedPackage], sort: str) -> list[LockedPackage]:
    """Return packages by name or size, descending with `-`; otherwise requested packages first."""
    by_name = sorted(packages, key=lambda package: package.name)
    match sort:
        case "name":
            return by_name
        case "-name":
            return by_name[::-1]
        case "size":
            return sorted(by_name, key=lambda package: package.size)
        case "-size":
            return sorted(by_name, key=lambda package: -package.size)
        case _:
            return sorted(by_name, key=lambda package: not package.requested)
