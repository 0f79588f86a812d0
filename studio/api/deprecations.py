"""What is deprecated in the catalogue."""

from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from environments import deprecations
from environments.access import Right, get_catalogue, get_environment
from environments.catalogue_models import Deprecation
from environments.models import Environment, Version
from environments.services import Refused
from studio.api import catalogue_rows as rows
from studio.api import catalogue_shapes as shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route
from studio.api.shapes import paged

PLACE = ("workspace",)
ENVIRONMENT = ("workspace", "name")


@documented(
    "GET", "List what is deprecated in the catalogue", paged(shapes.Deprecated), path=PLACE, paged=True
)
def deprecated(request: Request, workspace: str) -> Response:
    """List what is deprecated in the catalogue."""
    place = get_catalogue(request.user, workspace, Right.SEE)
    page, pages = page_of(request, deprecations.deprecations_in(place), ("pk",))
    return pages.get_paginated_response([rows.deprecated(row) for row in page])


@documented(
    "PUT",
    "Deprecate a curated environment, or one version of it",
    shapes.Deprecated,
    takes=shapes.DeprecationIn,
    path=ENVIRONMENT,
    may=(409,),
)
def deprecate(request: Request, workspace: str, name: str) -> Response:
    """Deprecate a curated environment, or one version of it."""
    environment = _curated(request, workspace, name)
    sent = shapes.DeprecationIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told: dict[str, Any] = sent.validated_data
    successor = None
    if told["successor"]:
        successor = Environment.objects.filter(
            workspace=environment.workspace, name=told["successor"]
        ).first()
        if successor is None:
            raise Refused("no-such-environment", f"The catalogue has no {told['successor']}.")
    made = deprecations.deprecate(
        environment,
        request.user,  # type: ignore[arg-type]
        on=told["on"],
        reason=told["reason"],
        successor=successor,
        version=_version(environment, told["version"]),
    )
    return Response(rows.deprecated(made))


@documented(
    "DELETE",
    "Keep a curated environment after all, or one version of it",
    {204: None},
    path=ENVIRONMENT,
    query={"version": "Left out: the whole environment."},
    may=(409,),
)
def keep(request: Request, workspace: str, name: str) -> Response:
    """Keep a curated environment after all, or one version of it."""
    found = _deprecation(_curated(request, workspace, name), request.query_params.get("version", ""))
    deprecations.keep(found, request.user)  # type: ignore[arg-type]
    return Response(status=204)


@documented(
    "POST",
    "Retire what is deprecated, from its day on: it is archived, and nothing new starts from it",
    shapes.Deprecated,
    takes=shapes.RetireIn,
    path=ENVIRONMENT,
    may=(409,),
)
def retire(request: Request, workspace: str, name: str) -> Response:
    """Retire what is deprecated, from its day on: it is archived, and nothing new starts from it."""
    environment = _curated(request, workspace, name)
    sent = shapes.RetireIn(data=request.data)
    sent.is_valid(raise_exception=True)
    found = _deprecation(environment, sent.validated_data["version"])
    deprecations.retire(found, request.user)  # type: ignore[arg-type]
    return Response(rows.deprecated(found))


def _curated(request: Request, workspace: str, name: str) -> Environment:
    get_catalogue(request.user, workspace, Right.REVIEW)
    return get_environment(request.user, workspace, name)


def _version(environment: Environment, text: str) -> Version | None:
    if not text:
        return None
    found = environment.versions.filter(version=text).first()
    if found is None:
        raise Refused("no-such-version", f"{environment} has no version {text}.")
    return found


def _deprecation(environment: Environment, version: str) -> Deprecation:
    rows_of = deprecations.deprecations_in(environment.workspace).filter(environment=environment)
    text = version.replace("\0", "")
    found = (rows_of.filter(version__version=text) if text else rows_of.filter(version=None)).first()
    if found is None:
        raise Http404(f"{environment}{':' if text else ''}{text} is not deprecated.")
    return found


ROUTES = {
    "deprecations": route(GET=deprecated),
    "deprecation": route(PUT=deprecate, DELETE=keep),
    "retire": route(POST=retire),
}
