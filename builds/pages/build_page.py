"""The context of a build's page, for the page itself and for the stream that updates it."""

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import Http404
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from builds.images.repositories import names_at
from builds.models import Build, BuildState
from builds.pages.failure import failure_of, source_of
from builds.pages.queries import queue_of, steps_shown, waiting_for
from builds.pages.steps import step_rows
from builds.provenance.evidence import tests_of
from builds.statistics.estimates import estimate_of
from environments.access import Right, get_workspace, rights_in

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


def builds_for_page() -> QuerySet[Build]:
    """Return builds with all that their page shows of them."""
    return Build.objects.select_related(
        "workspace", "version__environment__workspace", "image__workspace", "stopped_by"
    )


def get_build(
    user: User | AnonymousUser, workspace: str, build_id: uuid.UUID, right: Right = Right.SEE
) -> Build:
    """Return the build, if this person has the right in its workspace."""
    build = builds_for_page().filter(workspace=get_workspace(user, workspace, right), pk=build_id).first()
    if build is None:
        raise Http404(f"There is no build {build_id} in {workspace}.")
    return build


def build_context(build: Build, user: User | AnonymousUser, host: str) -> dict[str, Any]:
    """Return what the header, the steps and the end of a build's page show to this person."""
    facts = shared_context(build)
    return facts | viewer_context(
        facts, may=right_names(build, user), requested=is_requester(facts, user.pk), host=host
    )


def shared_context(build: Build) -> dict[str, Any]:
    """Return what a build's page shows to everybody: all that has to be looked up."""
    steps = steps_shown(build)
    queue = queue_of(build)
    failure = failure_of(build)
    return {
        "build": build,
        "version": build.version,
        "environment": build.version.environment,
        "steps": step_rows(build, steps),
        "failure": failure,
        "source": failure.source if failure else source_of(build),
        "waiting": waiting_for(build) if build.active else list(build.requests.select_related("user")),
        "tests": tests_of(build.image, build.version) if build.image else None,
        "pull_names": names_at(build.image, build.version) if build.image else None,
        "queue": queue,
        "estimate": estimate_of(build, steps),
        "title": title(build),
        "icon": ICONS[build.state],
    }


def viewer_context(
    facts: dict[str, Any], *, may: frozenset[str], requested: bool, host: str
) -> dict[str, Any]:
    """Return what depends on who looks, from the facts alone: viewers with the same rights see the same."""
    build: Build = facts["build"]
    may_write = "build" in may
    alone = requested and len({request.user_id for request in facts["waiting"]}) == 1
    return {
        "pull": facts["pull_names"](host) if facts["pull_names"] else None,
        "may_cancel": may_write and build.active and requested and not build.cancel_requested,
        "may_stop": "cancel_others" in may and build.active and not alone and not build.cancel_requested,
        "may_retry": may_write and build.state in {BuildState.FAILED, BuildState.CANCELLED},
        # Trying again what only its author can put right would fail again.
        "may_edit": "define" in may
        and build.state == BuildState.FAILED
        and build.error_fault == "author"
        and build.version.environment.editable,
        "may_rebuild": may_write and build.state == BuildState.SUCCEEDED,
        "may_connect": "manage_connections" in may and needs_login(build),
    }


# Causes of failure that other credentials put right
REFUSALS = {"registry-refused", "index-refused", "channel-refused"}


def needs_login(build: Build) -> bool:
    """Whether a server that a failed build asked wants credentials, or other ones."""
    codes = {build.error_code, *(cause["code"] for cause in build.causes)}
    return build.state == BuildState.FAILED and not REFUSALS.isdisjoint(codes)


def right_names(build: Build, user: User | AnonymousUser) -> frozenset[str]:
    """Return the names of the rights that a person has where a build is."""
    return frozenset(name for name, has in rights_in(build.workspace, user).items() if has)


def is_requester(facts: dict[str, Any], user: int | None) -> bool:
    """Return whether this user is among the requesters of the build."""
    return any(request.user_id == user for request in facts["waiting"])


ICONS = {
    "queued": "running",
    "running": "running",
    "succeeded": "good",
    "failed": "bad",
    "cancelled": "quiet",
}
STATE_LABELS = {
    "queued": gettext_lazy("Queued"),
    "running": gettext_lazy("Building"),
    "succeeded": gettext_lazy("Ready"),
    "failed": gettext_lazy("Failed"),
    "cancelled": gettext_lazy("Cancelled"),
}


def title(build: Build) -> "StrPromise":
    """Return the title of the browser's tab."""
    return format_lazy("{}: {}", STATE_LABELS[build.state], str(build.version))
