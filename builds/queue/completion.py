"""How the end of a build is told: an event and notices, in the very transaction that ends it."""

import uuid

from django.contrib.auth.models import User

from builds.models import Build, State
from environments.models import record
from environments.notices import tell
from environments.outbox import NoticeKind

SUBJECTS = {
    State.SUCCEEDED: "{version} is ready",
    State.FAILED: "The build of {version} failed",
    State.CANCELLED: "The build of {version} was stopped",
}


def record_the_end(build_id: uuid.UUID) -> None:
    """Record how a build has ended as an event of its workspace, and tell everybody who still waited for it."""
    build = _ended(build_id)
    waited = _tell(build)
    record(
        f"build.{build.state}",
        str(build.version),
        workspace=build.workspace,
        environment=build.version.environment,
        build=str(build.pk),
        error=build.error,
        asked_by=sorted(user.get_username() for user in waited),
    )


def tell_the_end(build_id: uuid.UUID) -> None:
    """Tell everybody who still waited for a build how it has ended; who ended it records the event."""
    _tell(_ended(build_id))


def _tell(build: Build) -> list[User]:
    waited = list(
        User.objects.filter(
            pk__in=build.requests.filter(cancelled_at=None, told_at=None).values("user")
        ).order_by("pk")
    )
    kind = NoticeKind.BUILD_SUCCEEDED if build.state == State.SUCCEEDED else NoticeKind.BUILD_FAILED
    subject = SUBJECTS[State(build.state)].format(version=f"{build.version} in {build.workspace}")
    # A path as builds.urls has it: a worker loads none of the pages.
    address = f"/w/{build.workspace}/builds/{build.pk}/"
    text = f"{build.error}\n{build.error_help}".strip()
    if build.state == State.CANCELLED and build.stopped_by is not None:
        text = f"{build.stopped_by.get_username()} stopped it for everybody who waited for it."
    tell(waited, kind, subject, text, address=address)
    return waited


def _ended(build_id: uuid.UUID) -> Build:
    builds = Build.objects.select_related("workspace", "version__environment__workspace", "stopped_by")
    return builds.defer("version__data", "version__source", "causes").get(pk=build_id)
