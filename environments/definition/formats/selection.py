"""The choice among what a file offers: its defaults, and what is requested besides."""

from __future__ import annotations

from environments.definition.findings.catalogue import At
from environments.definition.findings.result import Draft, Offers
from environments.definition.model import Selection


def selected(draft: Draft, offers: Offers, at: At) -> Selection:
    """Return what is to be read: the defaults, and what is requested of the offers; anything else is a finding."""
    wanted, default = draft.selection, offers.default
    draft.offers = offers
    requested = {
        "environment": ((wanted.environment,) if wanted.environment else (), offers.environments),
        "extra": (wanted.extras, offers.extras),
        "group": (wanted.groups, offers.groups),
    }
    for kind, (names, known) in requested.items():
        choices = frozenset(known)
        for name in names:
            if name not in choices:
                listed = ", ".join(known[:20]) or f"it has no {kind}s"
                draft.note("selection-unknown", at, kind=kind, what=name, known=listed)
    extras, groups = {*default.extras, *wanted.extras}, {*default.groups, *wanted.groups}
    draft.selection = Selection(
        environment=wanted.environment if wanted.environment in offers.environments else default.environment,
        extras=tuple(name for name in offers.extras if name in extras),
        groups=tuple(name for name in offers.groups if name in groups),
        ignore_lock=wanted.ignore_lock,
    )
    return draft.selection
