"""Sentences about cutoffs: versions that were skipped, and errors with a way out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from builds.imaging.cutoffs.limits import Limit
from builds.imaging.reporting import ImageError

MOST_SKIPPED = 50
_STEPS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def skipped(name: str, version: str, uploaded: dt.datetime, used: str, limit: Limit, now: dt.datetime) -> str:
    """Return a sentence for a version that was passed over: `numpy 2.5.1 is 3 days old; using 2.5.0`."""
    if limit.moving and uploaded <= now:
        return f"{name} {version} is {_age(now - uploaded)} old; using {used}"
    return f"{name} {version} was uploaded on {uploaded:%Y-%m-%d}; using {used}"


def bounded(sentences: Sequence[str]) -> tuple[str, ...]:
    """Return the first sentences, and how many more there are."""
    more = len(sentences) - MOST_SKIPPED
    return (*sentences[:MOST_SKIPPED], f"and {more} more") if more > 0 else tuple(sentences)


def too_new(name: str, version: str, uploaded: dt.datetime | None, limit: Limit) -> ImageError:
    """Return the error for a package of which the cutoff leaves no version that fits."""
    when = f"{name} {version} was uploaded on {uploaded:%Y-%m-%d}, and " if uploaded else ""
    return ImageError(
        "uploaded-too-late",
        f"No version of {name} that fits was uploaded early enough: {when}{_whose(limit)} takes only what was"
        f" uploaded before {limit.text}.",
        f"Request an older version of {name}, {_way_out(name, limit)}",
    )


def undated(name: str, version: str, where: str, limit: Limit) -> ImageError:
    """Return the error for a package whose upload time nobody says."""
    return ImageError(
        "no-upload-time",
        f"{where} does not say when {f'{name} {version}'.rstrip()} was uploaded, and {_whose(limit)} takes only"
        f" what was uploaded before {limit.text}.",
        f"Take {name} from an index or channel that gives upload times, {_way_out(name, limit)}",
    )


def _whose(limit: Limit) -> str:
    return "the definition" if limit.whose == "definition" else "the workspace's policy"


def _way_out(name: str, limit: Limit) -> str:
    if limit.whose == "workspace":
        return f"or have an owner of the workspace allow {name} in Settings → Uploads (`{name}: any`)."
    key = "newest" if limit.moving else "as_of"
    return f"choose a later limit, or allow it by name: `{name}: any` under `{key}`."


def _age(age: dt.timedelta) -> str:
    seconds = int(age.total_seconds())
    unit, size = next(((unit, size) for unit, size in _STEPS if seconds >= size), _STEPS[-1])
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
