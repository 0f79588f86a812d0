"""Check how many of the curated environments are built."""

from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, connection

from builds.queue.prebuilds import Prebuilt, prebuilt
from studio.operations.finding import Finding, ok, warning


def curated() -> Iterator[Finding]:
    """Report how many curated environments are ready to use, and what keeps the others from being built."""
    try:
        state = prebuilt()
    except DatabaseError:
        connection.close()
        return  # reported already
    counted = f"{state.built} of {state.all} curated environments are built."
    if state.built == state.all:
        yield ok("catalogue", counted)
    elif not settings.PREBUILD_CATALOGUE:
        yield ok(
            "catalogue", f"{counted} STUDIO_PREBUILD_CATALOGUE is off: each is built when it is requested."
        )
    elif state.obstacle:
        yield warning("catalogue", f"{counted} {_reason(state)}", _help(state))
    else:
        yield ok("catalogue", f"{counted} Idle workers build the others.")


def _reason(state: Prebuilt) -> str:
    if state.obstacle == "disk":
        return f"The others wait for {settings.PREBUILD_FREE_BYTES / 1e9:g} GB of free disk space."
    return "The last build of one failed, so the others wait; the pause grows from an hour to a day."


def _help(state: Prebuilt) -> str:
    if state.obstacle == "disk":
        return "Free space, set STUDIO_PREBUILD_FREE_GB lower, or set STUDIO_PREBUILD_CATALOGUE=false."
    return "See why in the catalogue's builds. Without a network, set STUDIO_PREBUILD_CATALOGUE=false."
