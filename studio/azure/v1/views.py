"""Environments, labels, images and builds for the first SDK."""

import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.http import Http404, HttpResponse, StreamingHttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from builds.models import BuildRequest
from builds.queue.requests import request_build
from environments.access import Right, get_environment, get_workspace
from environments.errors import ServiceError
from environments.models import AccessToken, Version
from environments.versions.labels import MAX_LABELS, set_label
from studio.api.http.requests import ApiRequest
from studio.azure.addresses import Scope, base_url
from studio.azure.protocol import body_of, route
from studio.azure.v1 import addresses, images
from studio.azure.v1.build_status import build_with_log, status_of, whole_log
from studio.azure.v1.definitions import version_document
from studio.azure.v1.lookup import LATEST, find_version, labelled_version, page_of_versions
from studio.azure.v1.recipes import recipe
from studio.azure.v1.registering import register

LINK_ENDED = "This link to the log has expired. Get a new one: call get_log() of a new build(workspace).\n"


def list_environments(request: ApiRequest, scope: Scope) -> Response:
    """List environments with the definition of their latest version, and the curated ones after them."""
    space = get_workspace(request.user, scope.workspace)
    page, token = page_of_versions(space, request.query_params.get("continuation", ""))
    return Response({"value": [_document(request, scope, row) for row in page], "continuationToken": token})


def environment(request: ApiRequest, scope: Scope, name: str, version: str = LATEST) -> Response:
    """Give the definition of a version, or of the latest."""
    return _answer(request, scope, find_version(request.user, scope.workspace, name, version))


def labelled(request: ApiRequest, scope: Scope, name: str, label: str) -> Response:
    """Give the definition of the version with a label."""
    return _answer(request, scope, labelled_version(request.user, scope.workspace, name, label))


def put_environment(request: ApiRequest, scope: Scope, name: str, version: str = "") -> Response:
    """Register a definition; the client takes no other success than 200."""
    get_workspace(request.user, scope.workspace, Right.DEFINE)
    row = register(
        request.user, scope.workspace, name, body_of(request), version=version, base=base_url(request)
    )
    return _answer(request, scope, row)


def put_labels(request: ApiRequest, scope: Scope, name: str, version: str) -> Response:
    """Put labels on a version; versions that have them lose them, other labels stay."""
    environment = get_environment(request.user, scope.workspace, name, Right.DEFINE)
    row = environment.version_called(version)
    if row is None:
        raise Http404(f"{environment} has no version or label {version}.")
    labels = _labels(body_of(request))
    with transaction.atomic():
        for label in labels:
            set_label(row, label, user=request.user)
    return Response({"labels": labels})


def image(request: ApiRequest, scope: Scope, name: str, version: str = LATEST) -> Response:
    """Give the details of a version's image."""
    row = find_version(request.user, scope.workspace, name, version)
    return Response(images.details(row, _host(request)))


def build(request: ApiRequest, scope: Scope, name: str, version: str = LATEST) -> Response:
    """Request a version's image, and say where its status is."""
    row = find_version(request.user, scope.workspace, name, version, Right.BUILD)
    made = request_build(row, request.user)
    location = addresses.request_url(base_url(request), scope, row, made)
    return Response({"location": location}, status=HTTPStatus.ACCEPTED, headers={"Location": location})


def build_on_compute(
    request: ApiRequest, scope: Scope, name: str, compute: str, version: str = LATEST
) -> Response:
    """Refuse to build on a compute target: the studio has none."""
    find_version(request.user, scope.workspace, name, version, Right.BUILD)
    raise ServiceError(
        "no-compute",
        f"The studio has no compute “{compute[:100]}”: its own workers build images.",
        "Leave out image_build_compute.",
    )


def status(request: ApiRequest, scope: Scope, name: str, version: str, number: str) -> Response:
    """Give the status of a requested build, with a link to its log."""
    row = find_version(request.user, scope.workspace, name, version)
    requests = BuildRequest.objects.select_related("build__workspace", "image")
    requested = requests.filter(pk=int(number), version=row).first()
    if requested is None:
        raise Http404(f"There is no request {number} for a build of {row}.")
    made, token = build_with_log(requested), request.auth
    link = None
    if made is not None and isinstance(token, AccessToken):
        link = addresses.log_url(base_url(request), scope, made, token)
    return Response({"status": status_of(requested), "logUrl": link})


def log(request: ApiRequest, scope: Scope, build: str) -> Any:
    """Give a build's whole log to the bearer of a signed link."""
    try:
        signed = addresses.signed_build(
            scope.workspace, uuid.UUID(build), request.query_params.get("sig", "")
        )
    except addresses.LinkExpired:
        return _text(HttpResponse(LINK_ENDED, status=HTTPStatus.FORBIDDEN))
    if signed is None:
        raise Http404("There is no log at this address.")
    reader, made = signed
    return _text(StreamingHttpResponse(whole_log(made, reader)))


def local_recipe(request: ApiRequest, scope: Scope, name: str, version: str = LATEST) -> Response:
    """Give two scripts that pull a version's image to the client's machine."""
    row = find_version(request.user, scope.workspace, name, version)
    host = _host(request)
    platform = str(body_of(request).get("platform") or "Linux")
    return Response(recipe(row, host, images.pull_name(row, host), platform=platform))


def _answer(request: ApiRequest, scope: Scope, row: Version) -> Response:
    return Response(_document(request, scope, row))


def _document(request: ApiRequest, scope: Scope, row: Version) -> dict[str, Any]:
    return version_document(row, addresses.context_url(base_url(request), scope, row))


def _host(request: ApiRequest) -> str:
    return urlsplit(base_url(request)).netloc


def _labels(body: dict[str, Any]) -> list[str]:
    sent = next((value for key, value in body.items() if key.lower() == "labels"), None)
    if not isinstance(sent, list) or not all(isinstance(label, str) for label in sent):
        raise exceptions.ParseError("Send `Labels`, a list of names.")
    if len(sent) > MAX_LABELS:
        raise exceptions.ParseError(f"An environment has up to {MAX_LABELS} labels.")
    return sent


def _text(response: Any) -> Any:
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Cache-Control"] = "private, no-store"
    return response


ENVIRONMENTS = route(GET=list_environments)
LATEST_VERSION = route(GET=environment, PUT=put_environment)
ONE_VERSION = route(GET=environment, PUT=put_environment)
LABELLED = route(GET=labelled)
METADATA = route(PUT=put_labels)
IMAGE = route(GET=image)
RECIPE = route(POST=local_recipe, only_reads=True)
BUILD = route(POST=build)
BUILD_ON_COMPUTE = route(POST=build_on_compute)
STATUS = route(GET=status)
LOG = route(GET=log, public=True)
