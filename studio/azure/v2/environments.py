"""Environments and their versions: created, listed, read, archived and restored by SDK v2."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from builds.images.repositories import resolving_environments
from environments.access import Right, get_environment, get_version, get_workspace
from environments.definition.findings.naming import name_problem
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, Version, Workspace
from environments.versions import service
from environments.versions.anonymous import save_anonymous
from environments.versions.input import DefinitionInput
from environments.versions.service import SavedVersion
from studio.azure.addresses import Scope, base_url
from studio.azure.protocol import route
from studio.azure.v2 import bodies, definitions, paging, resources

ONLY_BY_REVIEW = (
    "only-by-review",
    "What comes into the catalogue is reviewed first, by somebody else than its author.",
    "Save it in a workspace, and propose it there.",
)


def environments(request: Request, scope: Scope) -> Response:
    """List the environments of a workspace, by name; anonymous ones are never listed (rule 32)."""
    space = get_workspace(request.user, scope.workspace)
    rows = space.environments.named().filter(paging.filter_of(request)).select_related("created_by")
    page, next_link = paging.page_by_name(request, rows)
    names = _versions_of(page)
    values = [resources.environment_resource(row, scope, names[row.pk]) for row in page]
    return Response(paging.listed(values, next_link))


def environment(request: Request, scope: Scope, name: str) -> Response:
    """Give an environment, with the versions that the SDK saves to next."""
    row = get_environment(request.user, scope.workspace, name)
    return Response(_environment(row, scope))


def change_environment(request: Request, scope: Scope, name: str) -> Response:
    """Archive an environment with all its versions, or restore it (rule 33)."""
    row = get_environment(request.user, scope.workspace, name, Right.DEFINE)
    archived = bodies.sent(request, bodies.EnvironmentIn)["isArchived"]
    if archived is not None and archived != (row.archived_at is not None):
        service.archive_environment(row, request.user, restore=not archived)  # type: ignore[arg-type]
    return Response(_environment(row, scope))


def versions(request: Request, scope: Scope, name: str) -> Response:
    """List the versions of an environment, newest first: the first of the active ones is `latest` (rule 31)."""
    row = get_environment(request.user, scope.workspace, name)
    rows = row.versions.filter(paging.filter_of(request))
    rows = rows.select_related("environment__workspace", "created_by").prefetch_related("source_files")
    page, next_link = paging.page_by_number(request, rows)
    base = base_url(request)
    return Response(paging.listed([resources.version_resource(row, scope, base) for row in page], next_link))


def version(request: Request, scope: Scope, name: str, version: str) -> Response:
    """Give a version."""
    row = get_version(request.user, scope.workspace, name, version)
    return Response(resources.version_resource(row, scope, base_url(request)))


def save_version(request: Request, scope: Scope, name: str, version: str) -> Response:
    """Save a version; change the description and tags of a version that exists, archive it, or restore it."""
    space = get_workspace(request.user, scope.workspace, Right.DEFINE)
    sent = bodies.sent(request, bodies.VersionIn)
    user: User = request.user  # type: ignore[assignment]
    _check_may_save(space, name, sent)
    base = base_url(request)
    if sent["isAnonymous"]:
        return _save_anonymous(request, space, scope, name, version, sent)
    same = _same_content(space, name, version, sent, base)
    # Before the transaction: reading takes its time.
    reading = _reading(sent, space) if same is None else None
    with transaction.atomic():
        described = {"description": sent.get("description"), "tags": sent.get("tags")}
        if reading is not None:
            saved = reading.save(space, name, user=user, version=version, **described)
        elif same is not None:
            saved = SavedVersion(same, created=False)
        _describe(saved.version, sent, user)
        _archive(saved, sent["isArchived"], user)
    status = 201 if saved.created else 200
    return Response(resources.version_resource(saved.version, scope, base), status=status)


def _save_anonymous(
    request: Request, space: Workspace, scope: Scope, name: str, version: str, sent: dict[str, Any]
) -> Response:
    """Save what a job defines inline: the SDK computes the version from the content (rule 32)."""
    if sent["isArchived"]:
        raise ServiceError(
            "anonymous", "An anonymous environment isn't archived.", "Save it under a name first."
        )
    saved = save_anonymous(
        space,
        _reading(sent, space),
        user=request.user,  # type: ignore[arg-type]
        name=name,
        version=version,
        description=sent.get("description"),
        tags=sent.get("tags"),
    )
    status = 201 if saved.created else 200
    return Response(resources.version_resource(saved.version, scope, base_url(request)), status=status)


def _reading(sent: dict[str, Any], space: Workspace) -> DefinitionInput:
    """Return the reading of what was sent; `azureml:NAME:5` as an image is that of the workspace's environment."""
    with resolving_environments(space):
        return definitions.read_version(sent, space)


def _check_may_save(space: Workspace, name: str, sent: dict[str, Any]) -> None:
    if space.curated:
        raise ConflictError(*ONLY_BY_REVIEW)
    problem = name_problem(name)  # before what is wrong with the definition
    if problem is not None:
        raise ServiceError(problem.code, problem.message, problem.help)


def _same_content(
    space: Workspace, name: str, version: str, sent: dict[str, Any], base: str
) -> Version | None:
    """Return the version, if what was sent is what the studio gives for it: the SDK sends it back to archive it."""
    rows = Version.objects.filter(environment__workspace=space, environment__name=name, version=version)
    row = rows.select_related("environment__workspace", "created_by").first()
    if row is None:
        return None
    given = resources.version_properties(row, f"{base}{resources.page_of(row)}")
    return row if bodies.content(given) == bodies.content(sent) else None


def _archive(saved: SavedVersion, archived: bool | None, user: User) -> None:
    # A version under an archived environment is archived, though the SDK sends false with each new version (rule 33).
    is_archived = saved.version.archived_at is not None
    if archived is None or archived == is_archived or (saved.created and not archived):
        return
    service.archive_version(saved.version, user, restore=not archived)


def _describe(row: Version, sent: dict[str, Any], user: User) -> None:
    """Change the description and tags to those that were sent, if they differ."""
    wanted = {
        "description": row.description if sent.get("description") is None else sent["description"],
        "tags": row.tags if sent.get("tags") is None else sent["tags"],
    }
    if wanted != {"description": row.description, "tags": row.tags}:
        service.describe(row, **wanted, user=user)


def _environment(row: Environment, scope: Scope) -> dict[str, Any]:
    names = _versions_of([row])[row.pk]
    if not names:
        raise Http404(f"There is no environment {row} in {row.workspace}.")
    return resources.environment_resource(row, scope, names)


def _versions_of(rows: list[Environment]) -> dict[int, list[tuple[str, bool]]]:
    """Return the versions of environments in the order of creation, and whether each is archived; in one query."""
    names: dict[int, list[tuple[str, bool]]] = {row.pk: [] for row in rows}
    versions = Version.objects.filter(environment__in=rows).order_by("created_at", "pk")
    for key, name, archived_at in versions.values_list("environment_id", "version", "archived_at"):
        names[key].append((name, archived_at is not None))
    return names


ENVIRONMENTS = route(GET=environments)
ENVIRONMENT = route(GET=environment, PUT=change_environment)
VERSIONS = route(GET=versions)
VERSION = route(GET=version, PUT=save_version)
