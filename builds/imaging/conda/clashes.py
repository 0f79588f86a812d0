"""Paths that several conda packages bring: one package keeps them, the others put theirs aside, as rattler does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

ASIDE = "__clobbers__"


def clash(files: Iterable[Iterable[str]]) -> bool:
    """Return whether two of these packages bring the same path, or a file where another has a folder."""
    taken: set[str] = set()
    count = 0
    for paths in files:
        for path in paths:
            taken.add(path)
            count += 1
    return len(taken) < count or not taken.isdisjoint(folders_above(taken))


def put_aside(files: Mapping[str, Iterable[str]], order: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return by package the paths that it must put aside. Of two packages, the later in `order` keeps its path.

    Paths are relative to the environment. Packages that keep all theirs are left out.
    """
    taken: set[str] = set()
    folders: set[str] = set()
    result: dict[str, tuple[str, ...]] = {}
    for name in reversed(order):
        own = set(files[name])
        aside = {p for p in own if p in taken or p in folders or any(f in taken for f in folders_of(p))}
        if aside:
            result[name] = tuple(sorted(aside))
        taken |= own - aside
        folders |= folders_above(own - aside)
    return result


def folders_above(paths: Iterable[str]) -> set[str]:
    """Return all folders above these paths."""
    result: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in result:
            result.add(path)
    return result


def folders_of(path: str) -> list[str]:
    """Return the folders above a path, the nearest first."""
    result = []
    while path := path.rpartition("/")[0]:
        result.append(path)
    return result
