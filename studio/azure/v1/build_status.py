"""The status of a requested build, as the first SDK waits for it.

The client prints the log only while the status stays the same, and never after the build has ended. So a build that it
has seen running is reported as running until the client has read the whole log, or for a few seconds.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

from django.core.cache import cache
from django.utils import timezone

from builds.models import Build, BuildRequest, BuildState
from builds.pages.views import log_text

NAMES = {
    BuildState.QUEUED: "Queued",
    BuildState.RUNNING: "Running",
    BuildState.SUCCEEDED: "Succeeded",
    BuildState.FAILED: "Failed",
    BuildState.CANCELLED: "Canceled",
}
# The client asks every five seconds: it needs one answer to print the status, and another to print the log.
HELD = timedelta(seconds=12)
_WATCHED_SECONDS = 60
_READ_SECONDS = 60


def status_of(request: BuildRequest) -> str:
    """Return the status of a request."""
    build = request.build
    if build is None:
        return NAMES[BuildState.SUCCEEDED]
    if request.cancelled_at is not None:
        return NAMES[BuildState.CANCELLED]
    if build.active:
        cache.set(_watched(request), True, _WATCHED_SECONDS)
    elif _awaits_log(request, build):
        return NAMES[BuildState.RUNNING]
    return NAMES[BuildState(build.state)]


def build_with_log(request: BuildRequest) -> Build | None:
    """Return the build whose log a request leads to: that which made the image, if none was needed."""
    if request.build is not None:
        return request.build
    if request.image is None:
        return None
    return (
        request.image.builds.filter(reused=False).select_related("workspace").order_by("-queued_at").first()
    )


async def whole_log(build: Build) -> AsyncIterator[str]:
    """Yield a build's whole log; its end is known to have been read when all of it was taken."""
    ended = not build.active
    async for text in log_text(build.pk):
        yield text
    if ended:
        await cache.aset(_read(build), True, _READ_SECONDS)


def _awaits_log(request: BuildRequest, build: Build) -> bool:
    recently = build.ended_at is not None and build.ended_at > timezone.now() - HELD
    return recently and bool(cache.get(_watched(request))) and not cache.get(_read(build))


def _watched(request: BuildRequest) -> str:
    return f"azure-v1-watched-{request.pk}"


def _read(build: Build) -> str:
    return f"azure-v1-read-{build.pk}"
