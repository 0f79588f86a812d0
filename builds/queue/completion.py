"""Record and announce the end of a build, in the transaction that ends it."""

import uuid

from django.contrib.auth.models import User

from builds.models import Build, BuildState
from environments.audit.record import record
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify

SUBJECTS = {
    BuildState.SUCCEEDED: "Build succeeded: {version}",
    BuildState.FAILED: "Build failed: {version}",
    BuildState.CANCELLED: "Build stopped: {version}",
}


def record_end(build_id: uuid.UUID) -> None:
    """Record the end of a build as an event of its workspace, and notify everybody who still waits for it."""
    build = _load_build(build_id)
    notified = _notify_waiting(build)
    record(
        f"build.{build.state}",
        str(build.version),
        workspace=build.workspace,
        environment=build.version.environment,
        build=str(build.pk),
        error=build.error,
        asked_by=sorted(user.get_username() for user in notified),
    )


def notify_end(build_id: uuid.UUID) -> None:
    """Notify everybody who still waits for a build of its end; the caller records the event."""
    _notify_waiting(_load_build(build_id))


def _notify_waiting(build: Build) -> list[User]:
    waiting = list(
        User.objects.filter(
            pk__in=build.requests.filter(cancelled_at=None, seen_at=None).values("user")
        ).order_by("pk")
    )
    kind = NoticeKind.BUILD_SUCCEEDED if build.state == BuildState.SUCCEEDED else NoticeKind.BUILD_FAILED
    subject = SUBJECTS[BuildState(build.state)].format(version=f"{build.version} in {build.workspace}")
    # Written out, as a worker loads no pages: the path of builds.urls.
    url = f"/w/{build.workspace}/builds/{build.pk}/"
    text = f"{build.error}\n{build.error_help}".strip()
    if build.state == BuildState.CANCELLED and build.stopped_by is not None:
        text = f"{build.stopped_by.get_username()} stopped it for everyone who was waiting."
    notify(waiting, kind, subject, text, address=url, own=True)
    return waiting


def _load_build(build_id: uuid.UUID) -> Build:
    builds = Build.objects.select_related("workspace", "version__environment__workspace", "stopped_by")
    return builds.defer("version__data", "version__source", "causes").get(pk=build_id)
