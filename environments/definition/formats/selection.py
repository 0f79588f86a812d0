"""The choice among the environments, extras and groups that a file offers, and the note about the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

from environments.definition.findings.catalogue import At
from environments.definition.findings.result import Draft, Offers
from environments.definition.model import Selection
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed

_MOST_LISTED = 12


def selected(draft: Draft, offers: Offers, at: At = None) -> Selection:
    """Return what is to be read, by the file's own names and in its order: the defaults, and what is requested.

    The draft gets the offers, the selection, and a finding for each name that is requested and not offered. As in the
    tools, an extra or group adds to the defaults, a group that is left out is so in any case, and a requested
    environment takes the place of the default one.
    """
    wanted, default = draft.selection, offers.default
    environment = wanted.environment
    if environment and environment not in offers.environments:
        _unknown(draft, "environment", environment, offers.environments, at)
        environment = ""
    draft.offers = offers
    extras = _known(draft, "extra", (*default.extras, *wanted.extras), offers.extras, at)
    groups = _known(draft, "group", (*default.groups, *wanted.groups), offers.groups, at)
    no_groups = _left_out(draft, offers, at)
    draft.selection = Selection(
        environment=environment or default.environment,
        extras=extras,
        groups=tuple(name for name in groups if name not in no_groups),
        no_groups=no_groups,
        ignore_lock=wanted.ignore_lock,
        platforms=wanted.platforms,
    )
    return draft.selection


def choose(
    draft: Draft, extras: Iterable[str], groups: Iterable[str], what: str = "the main group"
) -> Selection:
    """Offer these extras and groups, return those to read, and note the others; `what` is read in any case."""
    first = Placed("", 1)
    offers = Offers(extras=tuple(dict.fromkeys(extras)), groups=tuple(dict.fromkeys(groups)))
    chosen = selected(draft, offers, first)
    note_parts(draft, what, first)
    return chosen


def note_parts(draft: Draft, what: str, at: At = None) -> None:
    """Say which environments, extras and groups are offered beside those that are read; `what` is read in any case."""
    offers, chosen = draft.offers, draft.selection
    parts = (
        ("environment", offers.environments, (chosen.environment,)),
        ("extra", offers.extras, chosen.extras),
        ("group", offers.groups, chosen.groups),
    )
    read, others = [what] if what else [], []
    for kind, offered, taken in parts:
        chosen_names = frozenset(taken)
        read += _named(kind, [name for name in offered if name in chosen_names])
        others += _named(kind, [name for name in offered if name not in chosen_names])
    if others:
        draft.note("project-parts", at, what=" and ".join(read), others=" and ".join(others))


def listed(names: Collection[str]) -> str:
    """Return names as a list for people: `a, b and c`; the first of many, in a time that does not depend on how many."""
    shown = [name[:60] for name in islice(names, _MOST_LISTED)]
    if len(names) > _MOST_LISTED:
        shown.append(f"{len(names) - _MOST_LISTED} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _named(kind: str, names: list[str]) -> list[str]:
    return [f"the {kind}{'s' if len(names) > 1 else ''} {listed(names)}"] if names else []


def _known(
    draft: Draft, kind: str, wanted: Iterable[str], offered: tuple[str, ...], at: At
) -> tuple[str, ...]:
    by_name = {pip_name(name): name for name in offered}
    for name in dict.fromkeys(wanted):
        if pip_name(name) not in by_name:
            _unknown(draft, kind, name, offered, at)
    names = {pip_name(name) for name in wanted}
    return tuple(name for name in offered if pip_name(name) in names)


def _left_out(draft: Draft, offers: Offers, at: At) -> tuple[str, ...]:
    wanted = draft.selection
    names = {pip_name(name) for name in wanted.no_groups}
    if wanted.no_default_groups:
        names |= set(map(pip_name, offers.default.groups)) - set(map(pip_name, wanted.groups))
    offered = set(map(pip_name, offers.groups))
    for name in wanted.no_groups:
        if pip_name(name) not in offered:
            draft.note("group-absent", at, what=name[:80], known=listed(offers.groups) or "(none)")
    return tuple(name for name in offers.groups if pip_name(name) in names)


def _unknown(draft: Draft, kind: str, name: str, offered: tuple[str, ...], at: At) -> None:
    help = "" if offered else f"Leave the {kind} out: the project has none."
    draft.note("selection-unknown", at, help=help, kind=kind, what=name[:80], known=listed(offered))
