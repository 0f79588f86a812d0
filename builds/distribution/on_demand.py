"""Pulls of versions without an image: a pull by a person who may build starts the build, and waits for its end.

A pull never repeats a build that failed or was cancelled: it answers with the cause, until somebody tries again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import User

from builds.distribution.access import Puller
from builds.distribution.errors import NoImage, Refusal
from builds.models import Build, BuildRequest, BuildState
from builds.queue.requests import StateConflict, request_build
from environments.access import Right, may
from environments.models import Version

RETRY_SECONDS = 5
"""After so many seconds a client that repeats requests by itself pulls again."""


class UnderWay(NoImage):
    """The image is being made. A client that waits gets the image instead, or why there is none."""

    def __init__(self, version: Version, build_id: uuid.UUID, url: str) -> None:
        super().__init__(
            429,
            "TOOMANYREQUESTS",
            f"The image of {version} is still being built, and the build goes on. Pull again to wait for it. "
            f"Its log: {url}",
            retry_after=RETRY_SECONDS,
        )
        self.build_id = build_id


def request_for_pull(
    user: Puller, version: Version, unknown: Refusal, page: Callable[[str], str]
) -> UnderWay | None:
    """Request the build of a version without an image, if the user may; None if the image was made meanwhile.

    `page` makes an absolute URL of a path. Raises a refusal: for strangers `unknown`, as if the version did not
    exist, for members why there is no image.
    """
    workspace = version.environment.workspace
    if not user.is_authenticated or not may(user, Right.SEE, workspace):
        raise unknown
    build = _last_build(version)
    if build is not None and build.state in {BuildState.FAILED, BuildState.CANCELLED}:
        raise _no_image(_why_none(build, version, _url(build, page)))
    if not may(user, Right.BUILD, workspace) or not settings.PULL_WAIT_SECONDS:
        raise _no_image(_why_not_built(build, version, page))
    return _request(user, version, build, page)


def _request(
    user: User, version: Version, build: Build | None, page: Callable[[str], str]
) -> UnderWay | None:
    if build is None or not build.active or not _waits_for(user, build):
        try:
            build = request_build(version, user).build
        except StateConflict as conflict:
            raise NoImage(429, "TOOMANYREQUESTS", str(conflict), retry_after=RETRY_SECONDS) from conflict
    return UnderWay(version, build.pk, _url(build, page)) if build is not None else None


def _last_build(version: Version) -> Build | None:
    builds = Build.objects.filter(workspace=version.environment.workspace_id, hash=version.hash)
    builds = builds.select_related("stopped_by").defer("causes")
    return builds.order_by("-queued_at").first()


def _waits_for(user: User, build: Build) -> bool:
    return BuildRequest.objects.filter(build=build, user=user, cancelled_at=None).exists()


def _why_none(build: Build, version: Version, url: str) -> str:
    """Return what ended a version's last build, in sentences."""
    if build.state == BuildState.FAILED:
        return (
            f"The build of {version} failed: {build.error} {build.error_help}".rstrip()
            + f" Its log, and a button to try again: {url}"
        )
    by = f" by {build.stopped_by.get_username()}" if build.stopped_by else ""
    return f"The build of {version} was cancelled{by}. Start it again there: {url}"


def _why_not_built(build: Build | None, version: Version, page: Callable[[str], str]) -> str:
    """Return why a pull does not make the image, in sentences."""
    if build is not None and build.active:
        return f"{version} has no image yet. It is being built: {_url(build, page)}"
    environment = version.environment
    url = page(f"/w/{environment.workspace.name}/environments/{environment.name}/versions/{version.version}/")
    return f"{version} has no image yet. It is built there, by members who may build: {url}"


def _url(build: Build, page: Callable[[str], str]) -> str:
    # Written out: the pages are above this package.
    return page(f"/w/{build.workspace.name}/builds/{build.pk}/")


def _no_image(message: str) -> NoImage:
    return NoImage(404, "MANIFEST_UNKNOWN", message)
