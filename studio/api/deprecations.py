"""Deprecations of the catalogue."""

from typing import Any

from django.http import Http404
from rest_framework.response import Response

from environments.access import Right, get_catalogue, get_environment
from environments.catalogue import deprecations
from environments.errors import ServiceError
from environments.models import Environment, Version
from environments.models.catalogue import Deprecation
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import catalogue, catalogue_rows
from studio.api.shapes.responses import paged

WORKSPACE = ("workspace",)
ENVIRONMENT = ("workspace", "name")


@documented("GET", paged(catalogue.Deprecated), path=WORKSPACE, paged=True)
def deprecated(request: ApiRequest, workspace: str) -> Response:
    """List the deprecations of the catalogue."""
    space = get_catalogue(request.user, workspace, Right.SEE)
    page, pages = page_of(request, deprecations.catalogue_deprecations(space), ("pk",))
    return pages.get_paginated_response([catalogue_rows.deprecated(row) for row in page])


@documented(
    "PUT",
    catalogue.Deprecated,
    takes=catalogue.DeprecationIn,
    path=ENVIRONMENT,
    may=(409,),
)
def deprecate(request: ApiRequest, workspace: str, name: str) -> Response:
    """Deprecate a curated environment, or one version of it."""
    environment = _curated(request, workspace, name)
    sent = catalogue.DeprecationIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    successor = None
    if payload["successor"]:
        successor = Environment.objects.filter(
            workspace=environment.workspace, name=payload["successor"]
        ).first()
        if successor is None:
            raise ServiceError("no-such-environment", f"The catalogue has no {payload['successor']}.")
    made = deprecations.deprecate(
        environment,
        request.user,
        on=payload["on"],
        reason=payload["reason"],
        successor=successor,
        version=_version(environment, payload["version"]),
    )
    return Response(catalogue_rows.deprecated(made))


@documented(
    "DELETE",
    {204: None},
    path=ENVIRONMENT,
    query={"version": "Left out: the whole environment."},
    may=(409,),
)
def keep(request: ApiRequest, workspace: str, name: str) -> Response:
    """Undo the deprecation of a curated environment or version."""
    deprecation = _deprecation(_curated(request, workspace, name), request.query_params.get("version", ""))
    deprecations.cancel_deprecation(deprecation, request.user)
    return Response(status=204)


@documented(
    "POST",
    catalogue.Deprecated,
    takes=catalogue.RetireIn,
    path=ENVIRONMENT,
    may=(409,),
)
def retire(request: ApiRequest, workspace: str, name: str) -> Response:
    """Retire a deprecated environment or version, once its day has come: it is archived, and nothing new starts from it."""
    environment = _curated(request, workspace, name)
    sent = catalogue.RetireIn(data=request.data)
    sent.is_valid(raise_exception=True)
    deprecation = _deprecation(environment, sent.validated_data["version"])
    deprecations.retire(deprecation, request.user)
    return Response(catalogue_rows.deprecated(deprecation))


def _curated(request: ApiRequest, workspace: str, name: str) -> Environment:
    get_catalogue(request.user, workspace, Right.REVIEW)
    return get_environment(request.user, workspace, name)


def _version(environment: Environment, text: str) -> Version | None:
    if not text:
        return None
    row = environment.versions.filter(version=text).first()
    if row is None:
        raise ServiceError("no-such-version", f"{environment} has no version {text}.")
    return row


def _deprecation(environment: Environment, version: str) -> Deprecation:
    rows_of = deprecations.catalogue_deprecations(environment.workspace).filter(environment=environment)
    row = (rows_of.filter(version__version=version) if version else rows_of.filter(version=None)).first()
    if row is None:
        raise Http404(f"{environment}{':' if version else ''}{version} is not deprecated.")
    return row
