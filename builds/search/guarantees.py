"""Whether every version that a definition's request allows fits a search: `numpy>=1.26,<2` surely fits `numpy<2`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from environments.definition.packages.constraints import BadConstraint, Constraint

_MANY = 99_999  # above every number that a version has


@lru_cache(maxsize=4096)
def guarantees(ecosystem: str, exact: str, constraint: str, wanted: Constraint) -> bool:
    """Return whether a requested package surely fits; a request without a version fits its name alone.

    Versions on both sides of each bound stand for all others: between two bounds nothing changes.
    """
    if not wanted.parts:
        return True
    if exact:
        return wanted.allows(exact, ecosystem)
    try:
        request = Constraint.parse(f"{wanted.name}{constraint}") if constraint else None
    except BadConstraint:
        return False
    if request is None:
        return False
    samples = {"0", str(_MANY)}
    for _, bound in (*request.parts, *wanted.parts):
        samples |= set(_around(bound))
    possible = [sample for sample in samples if request.allows(sample, ecosystem)]
    return bool(possible) and all(wanted.allows(sample, ecosystem) for sample in possible)


def _around(bound: str) -> Iterator[str]:
    """Yield a bound, and versions close below and above it and above its last number."""
    version = bound.removesuffix(".*").removeprefix("v")
    yield version
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        return
    numbers = [int(number) for number in version.split(".")]
    yield from (f"{version}.0.1", f"{version}.{_MANY}")
    for length in range(1, len(numbers) + 1):
        start = numbers[:length]
        yield ".".join(map(str, [*start[:-1], start[-1] + 1]))
        if start[-1]:
            yield ".".join(map(str, [*start[:-1], start[-1] - 1, _MANY]))
