"""Read requirements that packages declare: some are no requirements, and some are made to break their reader."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from packaging.requirements import InvalidRequirement, Requirement

# Those of real packages have a few hundred characters.
LONGEST = 5_000


def requirement_of(text: str) -> Requirement | None:
    """Return a package's requirement; None for text that is none."""
    if len(text) > LONGEST:
        return None
    try:
        requirement = Requirement(text)
        str(requirement)
    except (InvalidRequirement, ValueError, RecursionError):
        return None
    return requirement


def applies(requirement: Requirement, environment: Mapping[str, str | AbstractSet[str]]) -> bool:
    """Return whether a requirement's marker is true here; a marker that compares what cannot be compared is not."""
    try:
        return requirement.marker is None or requirement.marker.evaluate(dict(environment))
    except (ValueError, KeyError, TypeError, RecursionError):  # UndefinedComparison is a ValueError
        return False
