"""Workspaces, environments and versions."""

from dataclasses import asdict
from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from builds.images.repositories import resolving_environments
from builds.search.conditions import find, matching_entries
from builds.search.facets import facets_of
from builds.search.matches import Matches, matches_on
from builds.search.query import SearchQuery
from environments.access import Right, get_environment, get_version, get_workspace
from environments.definition import CannotWrite, write
from environments.definition.packages.constraints import BadConstraint
from environments.definition.writing.write import DEFINITION_FORMATS
from environments.errors import ConflictError
from environments.models import Environment, Version, Workspace
from environments.versions import anonymous, service
from environments.versions.ignored import set_ignored
from environments.versions.listing import entries_of, latest_versions
from environments.versions.views import version_named
from studio.api.http.answers import Changed, Conflict, check_unchanged, etag, page_of
from studio.api.http.idempotency import HEADER, answered_once
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import bodies, responses, rows

WORKSPACE = ("workspace",)
ENVIRONMENT = ("workspace", "name")
VERSION = ("workspace", "name", "version")


SEARCH = {
    "q": "Words in name, tags, description, base or text; `numpy<2`, `package:torch`, `python:3.11`, "
    "`base:ubuntu22.04`, `tag:team=nlp`, `state:failed`, `by:me`, `framework:pytorch`, `kind:dockerfile`, "
    "`label:latest`, `is:pinned`. Packages of versions that are not built are those that they request.",
    "archived": "`1` lists archived ones too.",
    "all_versions": "`1` searches older versions too.",
}


@documented("GET", responses.paged(responses.Environment), path=WORKSPACE, query=SEARCH, paged=True)
def environments(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's environments, each with its latest version."""
    space = get_workspace(request.user, workspace)
    search, archived, all_versions = _search(request)
    try:
        latest = latest_versions(space, archived=archived)
        matches = find(latest, search, space, user=request.user, all_versions=all_versions)
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None
    matches = matches.select_related("environment__created_by", "based_on__environment__workspace")
    matches = matches.defer("data", "source", "based_on__data", "based_on__source")
    # By the name in lower case, as there is an index of it; those that differ in case stand side by side.
    page, pages = page_of(request, matches.annotate(by_name=F("list_entry__name")), ("by_name",))
    shown = zip(page, rows.versions(page, space, request.user), strict=True)
    hits = _hits(request, space, [row.environment_id for row in page], search, archived, all_versions)
    return pages.get_paginated_response(
        [rows.environment(row.environment, latest, hits.get(row.environment_id)) for row, latest in shown]
    )


@documented("GET", responses.Facets, path=WORKSPACE, query=SEARCH)
def facets(request: ApiRequest, workspace: str) -> Response:
    """Count what a search matches by state, person, framework, tag and kind; each value has the query that it leaves."""
    space = get_workspace(request.user, workspace)
    search, archived, all_versions = _search(request)
    try:
        entries = entries_of(space, archived=archived, all_versions=all_versions)
        counted = facets_of(matching_entries(entries, search, space, request.user), search, space)
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None
    return Response({"facets": [asdict(facet) for facet in counted]})


def _search(request: ApiRequest) -> tuple[SearchQuery, bool, bool]:
    """Return the search of a request, and whether it includes archived environments and older versions."""
    params = request.query_params
    try:
        search = SearchQuery.read(params.get("q", "")[:1_000])
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None
    return search, params.get("archived") == "1", params.get("all_versions") == "1"


def _hits(
    request: ApiRequest, space: Workspace, page: list[int], search: SearchQuery, archived: bool, every: bool
) -> dict[int, Matches]:
    """Return what matches in each environment of a page."""
    if not search.terms or not page:
        return {}
    entries = entries_of(space, archived=archived, all_versions=every)
    return matches_on(entries, page, search, space, request.user)


@documented("GET", responses.Environment, path=ENVIRONMENT)
def environment(request: ApiRequest, workspace: str, name: str) -> Response:
    """Give an environment with its latest version."""
    return _with_latest(request, get_environment(request.user, workspace, name))


@documented("PATCH", responses.Environment, takes=bodies.EnvironmentIn, path=ENVIRONMENT)
def change(request: ApiRequest, workspace: str, name: str) -> Response:
    """Set which findings an environment ignores. Errors can't be ignored."""
    row = get_environment(request.user, workspace, name, Right.DEFINE)
    sent = bodies.EnvironmentIn(data=request.data)
    sent.is_valid(raise_exception=True)
    set_ignored(row, sent.validated_data["ignored_findings"], request.user)
    return _with_latest(request, row)


@documented(
    "POST",
    responses.Environment,
    path=ENVIRONMENT,
    may=(409,),
)
def archive(request: ApiRequest, workspace: str, name: str) -> Response:
    """Archive an environment and all its versions (rule 33)."""
    return _archived(request, workspace, name, restore=False)


@documented("POST", responses.Environment, path=ENVIRONMENT, may=(409,))
def restore(request: ApiRequest, workspace: str, name: str) -> Response:
    """Restore an environment and all its versions."""
    return _archived(request, workspace, name, restore=True)


def _archived(request: ApiRequest, workspace: str, name: str, *, restore: bool) -> Response:
    row = get_environment(request.user, workspace, name, Right.DEFINE)
    service.archive_environment(row, request.user, restore=restore)
    return _with_latest(request, row)


@documented(
    "GET",
    responses.paged(responses.Version),
    path=ENVIRONMENT,
    paged=True,
)
def versions(request: ApiRequest, workspace: str, name: str) -> Response:
    """List an environment's versions, newest first."""
    row = get_environment(request.user, workspace, name)
    all_of_it = row.versions.select_related(
        "environment__workspace", "created_by", "based_on__environment__workspace"
    ).defer("data", "source", "based_on__data", "based_on__source")
    page, pages = page_of(request, all_of_it, ("-number",))
    return pages.get_paginated_response(rows.versions(page, row.workspace, request.user))


@documented(
    "POST",
    {201: responses.WholeVersion, 200: responses.WholeVersion},
    takes=bodies.VersionIn,
    path=ENVIRONMENT,
    may=(409,),
    headers=(HEADER,),
    refused=responses.DefinitionRefused,
)
@answered_once
def save(request: ApiRequest, workspace: str, name: str) -> Response:
    """Save a definition as a version; unchanged content makes no new version (rule 30)."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    if space.curated:
        raise ConflictError(
            "only-by-review",
            "What comes into the catalogue is reviewed first, by somebody else than its author.",
            "Save it in a workspace, and propose it there.",
        )
    sent = bodies.VersionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    based_on = version_named(request.user, payload["based_on"]) if payload["based_on"] else None
    with resolving_environments(space):
        given = sent.given()
    saved = given.save(
        space,
        name,
        user=request.user,
        version=payload["version"],
        description=payload.get("description"),
        tags=payload.get("tags"),
        based_on=based_on,
    )
    return _whole(request, saved.version, status=201 if saved.created else 200)


@documented(
    "POST",
    {201: responses.WholeVersion, 200: responses.WholeVersion},
    takes=bodies.AnonymousIn,
    path=WORKSPACE,
    may=(409,),
    headers=(HEADER,),
    refused=responses.DefinitionRefused,
)
@answered_once
def save_anonymous(request: ApiRequest, workspace: str) -> Response:
    """Give the anonymous version of a definition, created if there is none (rule 32). No list shows it."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    sent = bodies.AnonymousIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    with resolving_environments(space):
        given = sent.given()
    saved = anonymous.save_anonymous(
        space,
        given,
        user=request.user,
        version=payload["version"],
        description=payload.get("description"),
        tags=payload.get("tags"),
    )
    return _whole(request, saved.version, status=201 if saved.created else 200)


@documented(
    "POST",
    {201: responses.WholeVersion, 200: responses.WholeVersion},
    takes=bodies.NameIn,
    path=VERSION,
    may=(409,),
)
def save_under_name(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Save an anonymous version as a version of a named environment; its image is the same, and nothing is built."""
    row = get_version(request.user, workspace, name, version, Right.DEFINE)
    sent = bodies.NameIn(data=request.data)
    sent.is_valid(raise_exception=True)
    saved = anonymous.save_under_name(
        row, sent.validated_data.pop("name"), user=request.user, **sent.validated_data
    )
    return _whole(request, saved.version, status=201 if saved.created else 200)


@documented("GET", responses.WholeVersion, path=VERSION)
def version(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Give a version with its definition."""
    return _whole(request, get_version(request.user, workspace, name, version))


@documented(
    "PATCH",
    responses.WholeVersion,
    takes=bodies.DescriptionIn,
    path=VERSION,
    may=(412,),
    headers=("If-Match",),
)
def describe(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Change a version's description and tags."""
    row = get_version(request.user, workspace, name, version, Right.DEFINE)
    check_unchanged(request, _etag(row))
    sent = bodies.DescriptionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload = {"description": row.description, "tags": row.tags} | sent.validated_data
    seen = service.description_fingerprint(row) if request.headers.get("If-Match") else ""
    try:
        service.describe(row, **payload, user=request.user, seen=seen)
    except service.EditConflict as problem:
        raise Changed from problem
    return _whole(request, row)


@documented("POST", responses.WholeVersion, path=VERSION, may=(409,))
def archive_version(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Archive a version."""
    row = get_version(request.user, workspace, name, version, Right.DEFINE)
    service.archive_version(row, request.user)
    return _whole(request, row)


@documented("POST", responses.WholeVersion, path=VERSION, may=(409,))
def restore_version(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Restore a version."""
    row = get_version(request.user, workspace, name, version, Right.DEFINE)
    service.archive_version(row, request.user, restore=True)
    return _whole(request, row)


@documented(
    "GET",
    {(200, "text/plain"): str},
    path=VERSION,
    query={
        "as": f"The format: {', '.join(DEFINITION_FORMATS)}. Left out: as it was given.",
        "file": "One of the other files that it was read from: those in the version's `files`.",
    },
    may=(409,),
)
def definition(request: ApiRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Give a version's definition as a file of a format."""
    row = get_version(request.user, workspace, name, version)
    path = request.query_params.get("file", "")
    if path and path != row.source_path:
        file = get_object_or_404(row.source_files, path=path)
        return HttpResponse(file.text, content_type="text/plain; charset=utf-8")
    wanted = request.query_params.get("as", "")
    if not wanted:
        return HttpResponse(row.source, content_type="text/plain; charset=utf-8")
    try:
        text = write(
            row.definition,
            wanted,
            name=row.environment.name,
            version=row.version,
            description=row.description,
            tags=row.tags,
        )
    except CannotWrite as problem:
        raise Conflict(str(problem)) from problem
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _with_latest(request: ApiRequest, row: Environment) -> Response:
    latest = row.latest()
    shown = rows.versions([latest], row.workspace, request.user)[0] if latest else None
    return Response(rows.environment(row, shown))


def _etag(row: Version) -> str:
    return etag(row.pk, row.description, row.tags, row.archived_at)


def _whole(request: ApiRequest, row: Version, status: int = 200) -> Response:
    return Response(rows.whole_version(row, request.user), status=status, headers={"ETag": _etag(row)})
