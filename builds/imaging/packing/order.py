"""The order in which pip installs packages: of two that bring the same path, the later stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_MOST_IN_CIRCLES = 200  # more are of somebody who wants the studio to compute for hours


def installation_order(needed_by: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names as pip installs them: what others need first, among equals the last by name first.

    `needed_by` names, for each package, those that need it; names of other packages in it do not count.
    """
    needs: dict[str, set[str]] = {name: set() for name in needed_by}
    for name, parents in needed_by.items():
        for parent in needs.keys() & set(parents) - {name}:
            needs[parent].add(name)
    order: list[str] = []
    while needs:
        leaves = {name for name, children in needs.items() if not children}
        if not leaves:
            leaves = _farthest(needs) if len(needs) <= _MOST_IN_CIRCLES else set(needs)
        order += sorted(leaves, reverse=True)
        needs = {
            name: children.difference(order) for name, children in needs.items() if name not in set(order)
        }
    return order


def _farthest(needs: Mapping[str, set[str]]) -> set[str]:
    """Return, of packages that need each other and no others, those that are farthest from the packages that need them.

    pip takes those first, for what is nearer to what was requested is to stay.
    """
    below = {name: _reached(name, needs) for name in needs}
    circle = next(below[name] for name in sorted(needs) if all(name in below[child] for child in below[name]))
    near = {child for name, children in needs.items() if name not in circle for child in children & circle}
    near = near or {min(circle)}
    seen = set(near)
    while nearest := {child for name in near for child in needs[name]} - seen:
        near = nearest
        seen |= near
    return near


def _reached(name: str, needs: Mapping[str, set[str]]) -> set[str]:
    """Return all that a package needs, directly or through others."""
    result: set[str] = set()
    new = set(needs[name])
    while new:
        result |= new
        new = {child for other in new for child in needs[other]} - result
    return result
