"""Whether an advisory affects a version: by its lists of versions and by the events of its ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from builds.advisories.ordering import order, public, smallest_first

MOST_FIXES = 20


@dataclass(frozen=True, slots=True)
class Affected:
    """A package that a record affects. The events of a range are pairs of kind and version."""

    ecosystem: str  # pypi, conda, debian
    name: str  # normalised
    release: str = ""  # debian:12; empty for every release
    ranges: tuple[tuple[tuple[str, str], ...], ...] = ()
    versions: frozenset[str] = field(default_factory=frozenset)

    def affects(self, version: str) -> bool:
        """Whether it affects a version: one of its list, or in one of its ranges."""
        if not self.versions.isdisjoint({version, public(version, self.ecosystem)}):
            return True
        key = order(version, self.ecosystem)
        if key is None:
            return False
        if self.ecosystem == "pypi":
            plain = order(public(version, "pypi"), "pypi")
            if not _orders(self.versions).isdisjoint({key, plain}):
                return True
        return any(in_range(events, version, self.ecosystem) for events in self.ranges)

    @property
    def fixes(self) -> set[str]:
        """The versions that its ranges name as fixed."""
        return {version for events in self.ranges for kind, version in events if kind == "fixed"}


@lru_cache(maxsize=1_024)
def _orders(versions: frozenset[str]) -> frozenset[Any]:
    """Return listed versions in any spelling; once for a list, which hundreds of versions are compared with."""
    return frozenset(order(version, "pypi") for version in versions) - {None}


def in_range(events: Sequence[tuple[str, str]], version: str, ecosystem: str) -> bool:
    """Whether a version is affected by OSV's rules; a range with an event that is no version affects none."""
    bounds = [(kind, text, order(text, ecosystem)) for kind, text in events if text not in ("0", "*")]
    if any(key is None for _, _, key in bounds):
        return False
    local, plain = order(version, ecosystem), order(public(version, ecosystem), ecosystem)

    def reached(key: Any) -> bool:
        return bool((local if getattr(key, "local", None) else plain) >= key)

    limits = [key for kind, _, key in bounds if kind == "limit"]
    unlimited = not limits or any(event == ("limit", "*") for event in events)
    if not unlimited and all(reached(key) for key in limits):
        return False
    affected = any(kind == "introduced" and text == "0" for kind, text in events)
    for kind, _, key in sorted(bounds, key=lambda bound: bound[2]):
        if kind == "introduced" and reached(key):
            affected = True
        elif (kind == "fixed" and reached(key)) or (
            kind == "last_affected" and reached(key) and plain != key
        ):
            affected = False
    return affected


def fixed_in(affected: Iterable[Affected], version: str, ecosystem: str) -> list[str]:
    """Return the newer versions that fix what affects a version, smallest first: none that is affected itself.

    Of a version in no order, as 2004d is for Python, which a record lists, none is known to be newer.
    """
    entries = list(affected)
    here = order(version, ecosystem)
    if here is None:
        return []
    fixes: set[str] = set().union(*(entry.fixes for entry in entries)) if entries else set()
    newer = {fix for fix in fixes if (key := order(fix, ecosystem)) is not None and key > here}
    result = smallest_first(newer, ecosystem)
    return [fix for fix in result if not any(entry.affects(fix) for entry in entries)][:MOST_FIXES]
