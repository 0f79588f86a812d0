"""Sets of versions as ranges, for unions of constraints, and how a PEP 440 specifier can say them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from packaging.version import Version

_MOST_EXCLUDED = 50


@dataclass(frozen=True, slots=True)
class Edge:
    """An end of a range; None is without end. A closed end belongs to the range."""

    version: Version | None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """The versions from one edge to another."""

    low: Edge
    high: Edge


Ranges = tuple[Range, ...]
_OPEN = Edge(None)
ANY: Ranges = (Range(_OPEN, _OPEN),)


def of_specifier(text: str) -> Ranges:
    """The versions of one specifier: `>=1`, `<2`, `==1.*`, `!=1.5`."""
    sign = text[:2] if text[1] == "=" else text[0]
    if text.endswith(".*"):
        version = Version(text[len(sign) : -2])
        low, high = _first(version), _first(_raised(version))
        if sign == "!=":
            return (Range(_OPEN, Edge(low)), Range(Edge(high, True), _OPEN))
        return (Range(Edge(low, True), Edge(high)),)
    version = Version(text[len(sign) :])
    match sign:
        case ">=" | ">":
            return (Range(Edge(version, sign == ">="), _OPEN),)
        case "<=":
            return (Range(_OPEN, Edge(version, True)),)
        case "<":
            # `<2` excludes the pre-releases of 2, unless it names one itself.
            return (Range(_OPEN, Edge(version if version.is_prerelease else _first(version))),)
        case "!=":
            return (Range(_OPEN, Edge(version)), Range(Edge(version), _OPEN))
    return (Range(Edge(version, True), Edge(version, True)),)


def both(first: Ranges, second: Ranges) -> Ranges:
    """The versions that are in both."""
    inside = []
    for left in first:
        for right in second:
            low, high = _higher(left.low, right.low), _lower(left.high, right.high)
            if not _empty(low, high):
                inside.append(Range(low, high))
    return tuple(inside)


def either(first: Ranges, second: Ranges) -> Ranges:
    """The versions that are in either, as ranges in order that do not touch."""
    merged: list[Range] = []
    for each in sorted((*first, *second), key=_by_low):
        if merged and _touch(merged[-1].high, each.low):
            merged[-1] = Range(merged[-1].low, _widest(merged[-1].high, each.high))
        else:
            merged.append(each)
    return tuple(merged)


def written(ranges: Ranges) -> tuple[str, bool]:
    """The specifier for these ranges, and whether it had to be narrowed to the newest of them."""
    parts: list[str] = []
    for left, right in pairwise(ranges):
        gap = _excluding(left.high, right.low)
        if gap is None or len(parts) + len(gap) > _MOST_EXCLUDED:
            return ",".join(_bounds(ranges[-1].low, ranges[-1].high)), True
        parts += gap
    return ",".join([*_bounds(ranges[0].low, ranges[-1].high), *parts]), False


def _bounds(low: Edge, high: Edge) -> Iterator[str]:
    if low.version is not None and low == high:
        yield f"=={low.version}"
        return
    if low.version is not None:
        yield f"{'>=' if low.closed else '>'}{low.version}"
    if high.version is not None:
        yield f"{'<=' if high.closed else '<'}{high.version if high.closed else _without_dev(high.version)}"


def _excluding(high: Edge, low: Edge) -> list[str] | None:
    """Return what excludes the versions between two ranges; None where no few specifiers do.

    Only the pre-releases of the version that the second begins with remain inside.
    """
    start, end = high.version, low.version
    if start is None or end is None or start.epoch != end.epoch:
        return None
    if start == end and not high.closed and not low.closed:
        return [f"!={start}"]
    begins_release = not high.closed and start.dev == 0 and start.pre is None and not start.is_postrelease
    ends_release = not end.is_postrelease and (not end.is_prerelease or (end.dev == 0 and end.pre is None))
    if not begins_release or not ends_release:
        return None
    between = _wildcards(start, end)
    return between if between is None or low.closed else [*between, f"!={end}"]


def _wildcards(start: Version, end: Version) -> list[str] | None:
    """Return `!=2.*` and the like for the releases from one version up to another; None where no few do."""
    length = max(len(start.release), len(end.release))
    first = start.release + (0,) * (length - len(start.release))
    last = end.release + (0,) * (length - len(end.release))
    differs = next((index for index in range(length) if first[index] != last[index]), length)
    if any(first[differs + 1 :]) or sum(last[differs:]) - sum(first[differs:]) > _MOST_EXCLUDED:
        return None
    epoch = f"{start.epoch}!" if start.epoch else ""
    return [
        f"!={epoch}{'.'.join(map(str, (*last[:index], part)))}.*"
        for index in range(differs, length)
        for part in range(first[index] if index == differs else 0, last[index])
    ]


def _raised(version: Version) -> Version:
    *head, tail = version.release
    epoch = f"{version.epoch}!" if version.epoch else ""
    return Version(epoch + ".".join(map(str, (*head, tail + 1))))


def _first(version: Version) -> Version:
    """Return the first development release of this version, which nothing of it precedes."""
    return version if version.is_prerelease else Version(f"{version.public}.dev0")


def _without_dev(version: Version) -> Version:
    return Version(version.public.removesuffix(".dev0")) if version.dev == 0 else version


def _by_low(each: Range) -> tuple[bool, Version, bool]:
    return each.low.version is not None, each.low.version or Version("0"), not each.low.closed


def _higher(first: Edge, second: Edge) -> Edge:
    if first.version is None or second.version is None:
        return second if first.version is None else first
    if first.version == second.version:
        return Edge(first.version, first.closed and second.closed)
    return first if first.version > second.version else second


def _lower(first: Edge, second: Edge) -> Edge:
    if first.version is None or second.version is None:
        return second if first.version is None else first
    if first.version == second.version:
        return Edge(first.version, first.closed and second.closed)
    return first if first.version < second.version else second


def _widest(first: Edge, second: Edge) -> Edge:
    if first.version is None or second.version is None:
        return _OPEN
    if first.version == second.version:
        return Edge(first.version, first.closed or second.closed)
    return first if first.version > second.version else second


def _empty(low: Edge, high: Edge) -> bool:
    if low.version is None or high.version is None:
        return False
    return low.version > high.version or (low.version == high.version and not (low.closed and high.closed))


def _touch(high: Edge, low: Edge) -> bool:
    if high.version is None or low.version is None:
        return True
    return high.version > low.version or (high.version == low.version and (high.closed or low.closed))
