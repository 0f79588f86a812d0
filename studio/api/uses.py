"""Uses of environments, as runs, models and deployments report them."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from environments.access import Right, get_environment, get_version, get_workspace
from environments.models import Environment, Usage
from environments.versions.uses import report_use, uses_of
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import rows
from studio.api.shapes.bodies import NoNul
from studio.api.shapes.responses import paged

ENVIRONMENT = ("workspace", "name")
VERSION = ("workspace", "name", "version")
FILTERS = {
    "kind": "Only run, model or deployment.",
    "state": "Only those that are active, or that have ended.",
    "q": "A part of the name, or a version.",
}


class UseIn(s.Serializer[Any]):
    """A current or past use of a version."""

    kind = s.ChoiceField(choices=Usage.Kind.values)
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
    kind = s.ChoiceField(choices=Usage.Kind.values)
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
    Uses,
    path=ENVIRONMENT,
    query=FILTERS,
    paged=True,
)
def uses(request: ApiRequest, workspace: str, name: str) -> Response:
    """List what uses an environment, as far as you see where it belongs."""
    return _listed(request, get_environment(request.user, workspace, name))


@documented(
    "GET",
    Uses,
    path=VERSION,
    query=FILTERS,
    paged=True,
)
def uses_of_version(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """List what uses a version, as far as you see where it belongs."""
    row = get_version(request.user, workspace, name, version)
    return _listed(request, row.environment, version=row)


@documented(
    "POST",
    {200: VersionUse, 201: VersionUse},
    takes=UseIn,
    path=VERSION,
)
def report(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Report that a run, model or deployment uses a version, or has ended; the same again changes nothing."""
    row = get_version(request.user, workspace, name, version)
    sent = UseIn(data=request.data)
    payload: dict[str, Any] = sent.validated_data if sent.is_valid() else {}
    # A caller without the right to report learns nothing of other errors.
    space = get_workspace(request.user, payload.pop("workspace", "") or workspace, Right.REPORT_USES)
    sent.is_valid(raise_exception=True)
    kept = report_use(row, **payload, workspace=space, user=request.user)
    return Response(_row(kept.use), status=201 if kept.created else 200)


def _listed(request: ApiRequest, environment: Environment, **only: Any) -> Response:
    query = {name: str(value) for name, value in request.query_params.items()}
    matching = uses_of(
        environment,
        request.user,
        kind=query.get("kind", ""),
        state=query.get("state", ""),
        query=query.get("q", ""),
    )
    matching = matching.filter(**only).select_related("version__environment__workspace")
    page, pages = page_of(request, matching, ("-last_at", "-pk"))
    return pages.get_paginated_response([_row(use) for use in page])


def _row(use: Usage) -> dict[str, Any]:
    fields = ("kind", "name", "link", "active", "first_at", "last_at", "ended_at")
    return {field: getattr(use, field) for field in fields} | {
        "workspace": use.workspace.name,
        "version": rows.reference(use.version),
        "reported_by": use.reported_by.get_username() if use.reported_by else None,
    }
