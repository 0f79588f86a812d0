"""The status of a requested build, as the first SDK waits for it.

The client prints the log only while the status stays the same, and never after the build has ended. So a build that it
has seen running is reported as running until the client has read the whole log, or for a few seconds. What a client has
seen is in the request's row: the next of its requests may come to another web process.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

from django.contrib.auth.models import User
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


def status_of(request: BuildRequest) -> str:
    """Return the status of a request."""
    build = request.build
    if build is None:
        return NAMES[BuildState.SUCCEEDED]
    if request.cancelled_at is not None:
        return NAMES[BuildState.CANCELLED]
    if build.active:
        if request.awaited_at is None:
            BuildRequest.objects.filter(pk=request.pk).update(awaited_at=timezone.now())
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


async def whole_log(build: Build, reader: User) -> AsyncIterator[str]:
    """Yield a build's whole log; its end is known to have been read when the reader has taken all of it."""
    ended = not build.active
    async for text in log_text(build.pk):
        yield text
    if ended:
        unread = BuildRequest.objects.filter(build=build, user=reader, log_read_at=None)
        await unread.aupdate(log_read_at=timezone.now())


def _awaits_log(request: BuildRequest, build: Build) -> bool:
    recently = build.ended_at is not None and build.ended_at > timezone.now() - HELD
    return recently and request.awaited_at is not None and request.log_read_at is None
