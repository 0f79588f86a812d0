"""Workspaces, environments and versions."""

from typing import Any

from django.db.models import F
from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from builds.packages import find
from environments import services
from environments.access import Right, get_environment, get_version, get_workspace
from environments.definition import CannotWrite, write
from environments.definition.constraints import BadConstraint
from environments.definition.write import DEFINITION_FORMATS
from environments.given import read_given
from environments.lists import latest_versions
from environments.models import Environment, Version
from environments.views import version_named
from studio.api import bodies, rows, shapes
from studio.api.answers import Changed, Conflict, check_unchanged, etag, page_of
from studio.api.describing import documented, route
from studio.api.repeating import HEADER, answered_once

PLACE = ("workspace",)
ENVIRONMENT = ("workspace", "name")
VERSION = ("workspace", "name", "version")


@documented(
    "GET",
    "List a workspace's environments, each with its latest version",
    shapes.paged(shapes.Environment),
    path=PLACE,
    query={
        "q": "Words in name, tags, description, base or text; `numpy<2`, `python:3.11`, `base:ubuntu22.04`.",
        "archived": "`1` lists archived ones too.",
    },
    paged=True,
)
def environments(request: Request, workspace: str) -> Response:
    """List a workspace's environments, each with its latest version."""
    place = get_workspace(request.user, workspace)
    archived = request.query_params.get("archived") == "1"
    query = request.query_params.get("q", "").replace("\0", "")
    try:
        found = find(latest_versions(place, archived=archived), query, place)
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None
    found = found.select_related("environment__created_by", "based_on__environment__workspace")
    found = found.defer("data", "source", "based_on__data", "based_on__source")
    # By the name in lower case, as there is an index of it; those that differ in case stand side by side.
    page, pages = page_of(request, found.annotate(by_name=F("listing__name")), ("by_name",))
    shown = zip(page, rows.versions(page, place), strict=True)
    return pages.get_paginated_response([rows.environment(row.environment, latest) for row, latest in shown])


@documented("GET", "Give an environment with its latest version", shapes.Environment, path=ENVIRONMENT)
def environment(request: Request, workspace: str, name: str) -> Response:
    """Give an environment with its latest version."""
    return _with_latest(get_environment(request.user, workspace, name))


@documented(
    "POST",
    "Archive an environment and all its versions (rule 33)",
    shapes.Environment,
    path=ENVIRONMENT,
    may=(409,),
)
def archive(request: Request, workspace: str, name: str) -> Response:
    """Archive an environment and all its versions (rule 33)."""
    return _archived(request, workspace, name, restore=False)


@documented(
    "POST", "Restore an environment and all its versions", shapes.Environment, path=ENVIRONMENT, may=(409,)
)
def restore(request: Request, workspace: str, name: str) -> Response:
    """Restore an environment and all its versions."""
    return _archived(request, workspace, name, restore=True)


def _archived(request: Request, workspace: str, name: str, *, restore: bool) -> Response:
    found = get_environment(request.user, workspace, name, Right.DEFINE)
    services.archive_environment(found, request.user, restore=restore)  # type: ignore[arg-type]
    return _with_latest(found)


@documented(
    "GET",
    "List an environment's versions, newest first",
    shapes.paged(shapes.Version),
    path=ENVIRONMENT,
    paged=True,
)
def versions(request: Request, workspace: str, name: str) -> Response:
    """List an environment's versions, newest first."""
    found = get_environment(request.user, workspace, name)
    all_of_it = found.versions.select_related(
        "environment__workspace", "created_by", "based_on__environment__workspace"
    ).defer("data", "source", "based_on__data", "based_on__source")
    page, pages = page_of(request, all_of_it, ("-number",))
    return pages.get_paginated_response(rows.versions(page, found.workspace))


@documented(
    "POST",
    "Save a definition as a version; the same content again makes no new one (rule 30)",
    {201: shapes.WholeVersion, 200: shapes.WholeVersion},
    takes=bodies.VersionIn,
    path=ENVIRONMENT,
    may=(409,),
    headers=(HEADER,),
    refused=shapes.DefinitionRefused,
)
@answered_once
def save(request: Request, workspace: str, name: str) -> Response:
    """Save a definition as a version; the same content again makes no new one (rule 30)."""
    place = get_workspace(request.user, workspace, Right.DEFINE)
    if place.curated:
        raise services.Refused(
            "only-by-review",
            "What comes into the catalogue is reviewed first, by somebody else than its author.",
            "Save it in a workspace, and propose it there.",
        )
    sent = bodies.VersionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told: dict[str, Any] = sent.validated_data
    given = read_given(told.get("text", ""), told["filename"], told.get("file"))
    based_on = version_named(request, told["based_on"]) if told["based_on"] else None
    saved = services.save_reading(
        place,
        name,
        given.reading,
        source=given.text,
        user=request.user,  # type: ignore[arg-type]
        version=told["version"],
        description=told.get("description"),
        tags=told.get("tags"),
        based_on=based_on,
    )
    return _whole(saved.version, status=201 if saved.created else 200)


@documented("GET", "Give a version with its definition", shapes.WholeVersion, path=VERSION)
def version(request: Request, workspace: str, name: str, version: str) -> Response:
    """Give a version with its definition."""
    return _whole(get_version(request.user, workspace, name, version))


@documented(
    "PATCH",
    "Change a version's description and tags",
    shapes.WholeVersion,
    takes=bodies.DescriptionIn,
    path=VERSION,
    may=(412,),
    headers=("If-Match",),
)
def describe(request: Request, workspace: str, name: str, version: str) -> Response:
    """Change a version's description and tags."""
    found = get_version(request.user, workspace, name, version, Right.DEFINE)
    check_unchanged(request, _etag(found))
    sent = bodies.DescriptionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told = {"description": found.description, "tags": found.tags} | sent.validated_data
    seen = services.described_as(found) if request.headers.get("If-Match") else ""
    try:
        services.describe(found, **told, user=request.user, seen=seen)  # type: ignore[arg-type]
    except services.ChangedSince as problem:
        raise Changed from problem
    return _whole(found)


@documented("POST", "Archive a version", shapes.WholeVersion, path=VERSION, may=(409,))
def archive_version(request: Request, workspace: str, name: str, version: str) -> Response:
    """Archive a version."""
    found = get_version(request.user, workspace, name, version, Right.DEFINE)
    services.archive_version(found, request.user)  # type: ignore[arg-type]
    return _whole(found)


@documented("POST", "Restore a version", shapes.WholeVersion, path=VERSION, may=(409,))
def restore_version(request: Request, workspace: str, name: str, version: str) -> Response:
    """Restore a version."""
    found = get_version(request.user, workspace, name, version, Right.DEFINE)
    services.archive_version(found, request.user, restore=True)  # type: ignore[arg-type]
    return _whole(found)


@documented(
    "GET",
    "Give a version's definition as a file of a format",
    {(200, "text/plain"): str},
    path=VERSION,
    query={"as": f"The format: {', '.join(DEFINITION_FORMATS)}. Left out: as it was given."},
    may=(409,),
)
def definition(request: Request, workspace: str, name: str, version: str) -> HttpResponse:
    """Give a version's definition as a file of a format."""
    found = get_version(request.user, workspace, name, version)
    wanted = request.query_params.get("as", "")
    if not wanted:
        return HttpResponse(found.source, content_type="text/plain; charset=utf-8")
    try:
        text = write(found.definition, wanted, name=found.environment.name, version=found.version)
    except CannotWrite as problem:
        raise Conflict(str(problem)) from problem
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _with_latest(found: Environment) -> Response:
    latest = found.latest()
    shown = rows.versions([latest], found.workspace)[0] if latest else None
    return Response(rows.environment(found, shown))


def _etag(found: Version) -> str:
    return etag(found.pk, found.description, found.tags, found.archived_at)


def _whole(found: Version, status: int = 200) -> Response:
    return Response(rows.whole_version(found), status=status, headers={"ETag": _etag(found)})


ROUTES = {
    "environments": route(GET=environments),
    "environment": route(GET=environment),
    "archive": route(POST=archive),
    "restore": route(POST=restore),
    "versions": route(GET=versions, POST=save),
    "version": route(GET=version, PATCH=describe),
    "archive-version": route(POST=archive_version),
    "restore-version": route(POST=restore_version),
    "definition": route(GET=definition),
}
