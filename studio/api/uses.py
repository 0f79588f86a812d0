"""What uses environments: runs, models and deployments report it here."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import Right, get_environment, get_version, get_workspace
from environments.models import Environment, Use
from environments.uses import report_use, uses_of
from studio.api import rows
from studio.api.answers import page_of
from studio.api.bodies import NoNul
from studio.api.describing import documented, route
from studio.api.shapes import paged

ENVIRONMENT = ("workspace", "name")
VERSION = ("workspace", "name", "version")
FILTERS = {
    "kind": "Only run, model or deployment.",
    "state": "Only those that are active, or that have ended.",
    "q": "A part of the name, or a version.",
}


class UseIn(s.Serializer[Any]):
    """What uses a version, or has used it."""

    kind = s.ChoiceField(choices=Use.Kind.values)
    name = NoNul(
        max_length=255, help_text="Its own name: a report of the same kind and name is the same use."
    )
    link = NoNul(
        max_length=2000, required=False, allow_blank=True, help_text="Its page. Left out: as it was."
    )
    active = s.BooleanField(default=True, help_text="False: it has ended.")
    workspace = NoNul(
        max_length=63,
        required=False,
        allow_blank=True,
        default="",
        help_text="Where it belongs. Left out: the environment's own workspace.",
    )


class VersionUse(s.Serializer[Any]):
    """A run, model or deployment that uses a version."""

    workspace = s.CharField(help_text="Where it belongs.")
    version = s.CharField(help_text="workspace/name:version")
    kind = s.ChoiceField(choices=Use.Kind.values)
    name = s.CharField()
    link = s.CharField(allow_blank=True)
    active = s.BooleanField()
    first_at = s.DateTimeField()
    last_at = s.DateTimeField(help_text="When it was last reported.")
    ended_at = s.DateTimeField(allow_null=True)
    reported_by = s.CharField(allow_null=True)


Uses = paged(VersionUse)


@documented(
    "GET",
    "List what uses an environment, as far as you see where it belongs",
    Uses,
    path=ENVIRONMENT,
    query=FILTERS,
    paged=True,
)
def uses(request: Request, workspace: str, name: str) -> Response:
    """List what uses an environment, as far as you see where it belongs."""
    return _listed(request, get_environment(request.user, workspace, name))


@documented(
    "GET",
    "List what uses a version, as far as you see where it belongs",
    Uses,
    path=VERSION,
    query=FILTERS,
    paged=True,
)
def uses_of_version(request: Request, workspace: str, name: str, version: str) -> Response:
    """List what uses a version, as far as you see where it belongs."""
    found = get_version(request.user, workspace, name, version)
    return _listed(request, found.environment, version=found)


@documented(
    "POST",
    "Report that a run, model or deployment uses a version, or has ended; the same again changes nothing",
    {200: VersionUse, 201: VersionUse},
    takes=UseIn,
    path=VERSION,
)
def report(request: Request, workspace: str, name: str, version: str) -> Response:
    """Report that a run, model or deployment uses a version, or has ended; the same again changes nothing."""
    found = get_version(request.user, workspace, name, version)
    sent = UseIn(data=request.data)
    told: dict[str, Any] = sent.validated_data if sent.is_valid() else {}
    # Who may not report learns nothing of what else is wrong.
    place = get_workspace(request.user, told.pop("workspace", "") or workspace, Right.REPORT_USES)
    sent.is_valid(raise_exception=True)
    kept = report_use(found, **told, workspace=place, user=request.user)  # type: ignore[arg-type]
    return Response(_row(kept.use), status=201 if kept.created else 200)


def _listed(request: Request, environment: Environment, **only: Any) -> Response:
    asked = {name: str(value).replace("\0", "") for name, value in request.query_params.items()}
    found = uses_of(
        environment,
        request.user,
        kind=asked.get("kind", ""),
        state=asked.get("state", ""),
        words=asked.get("q", ""),
    )
    found = found.filter(**only).select_related("version__environment__workspace")
    page, pages = page_of(request, found, ("-last_at", "-pk"))
    return pages.get_paginated_response([_row(use) for use in page])


def _row(use: Use) -> dict[str, Any]:
    fields = ("kind", "name", "link", "active", "first_at", "last_at", "ended_at")
    return {field: getattr(use, field) for field in fields} | {
        "workspace": use.workspace.name,
        "version": rows.reference(use.version),
        "reported_by": use.reported_by.get_username() if use.reported_by else None,
    }


ROUTES = {
    "uses": route(GET=uses),
    "uses-of-version": route(GET=uses_of_version, POST=report),
}
