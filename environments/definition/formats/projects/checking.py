"""Whether a project's lock still is what the project requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.requested import Requested
from environments.definition.formats.projects.walk import Lock, Walk
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.syntax.text import Placed

_MOST_MARKERS = 5_000


def pythons_of(draft: Draft, lock: str, requires: str, markers: Iterable[str]) -> Pythons:
    """Return the Pythons that these markers tell apart. Refuses a lock with more markers than any tool writes."""
    markers = set(markers)
    if len(markers) > _MOST_MARKERS:
        why = f"it has {len(markers)} different markers, and {_MOST_MARKERS} are read"
        raise draft.refuse("lock-unreadable", Placed("", 1), lock=lock, why=why)
    return Pythons(requires, markers, machine_of(draft.platform))


@contextmanager
def refusing(draft: Draft, lock: str) -> Iterator[None]:
    """Refuse a lock for what the block raises: a marker that is none, more versions than can be chosen among."""
    try:
        yield
    except ValueError as error:
        raise draft.refuse("lock-unreadable", Placed("", 1), lock=lock, why=str(error)) from None


def check(
    draft: Draft, lock: Lock, wanted: Iterable[Requested], fresh: bool, names: tuple[str, str, str]
) -> None:
    """Refuse a lock that cannot satisfy the project, and say if it was made for another state of it.

    `names` are those of the lock and of the manifest, and the command that locks again.
    """
    named = dict(zip(("lock", "manifest", "command"), names, strict=True))
    for each in wanted:
        held = lock.by_name.get(each.key)
        if not held:
            draft.note("lock-stale", each.at, why=f"it has no {each.name[:80]}", **named)
        elif not lock.fitting(each):
            version, excluding = lock.entries[held[0]].version, each.specifier[:80] or "its source"
            why = f"it has {each.name[:80]} {version[:40]}, which {excluding} excludes"
            draft.note("lock-stale", each.at, why=why, **named)
    if not fresh:
        draft.note("lock-changed", None, **named)


def report_gaps(
    draft: Draft,
    name: str,
    walk: Walk,
    where: Mapping[int, int],
    wanted: Iterable[Requested],
    extras: frozenset[str] = frozenset(),
) -> None:
    """Say which requested packages the lock installs nowhere, though the project's own markers allow them."""
    installed = {walk.lock.entries[number].key for number, stretches in where.items() if stretches}
    for each in wanted:
        if each.key not in installed and walk.where(each.marker, extras):
            draft.note("lock-gap", each.at, what=each.name, lock=name)
