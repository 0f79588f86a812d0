"""Builds and images."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from rest_framework.response import Response

from builds.images.exports import FORMATS, lock_as
from builds.images.layers import layers_of
from builds.images.platforms import deviations, locks_of
from builds.images.repositories import version_to_name
from builds.imaging.lock import Lock
from builds.models import BuildState, Image
from builds.pages import queries
from builds.pages.build_page import get_build
from builds.pages.sharing import sharing_of
from builds.pages.views import log_text
from builds.policies.subjects import hits_of_image
from builds.provenance.evidence import tests_of
from builds.queue import requests
from environments.access import Right, get_version, get_workspace
from environments.definition import CannotWrite
from environments.models import Version
from environments.public_url import public_host
from studio.api.http.answers import Conflict, page_of
from studio.api.http.idempotency import HEADER, answered_once
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import bodies, build_responses, responses, rows
from studio.api.shapes import images as image_fields
from studio.api.shapes.policy import hit_row

WORKSPACE = ("workspace",)
VERSION = ("workspace", "name", "version")
BUILD = ("workspace", "build")
PLATFORM = {"platform": "Of an image for several: the packages on this platform, such as linux/arm64."}


@documented(
    "POST",
    {200: build_responses.BuildRequest, 202: build_responses.BuildRequest},
    takes=bodies.BuildIn,
    path=VERSION,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def request_build(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Request a version's image: it exists (200), or a build will make it (202)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    sent = bodies.BuildIn(data=request.data)
    sent.is_valid(raise_exception=True)
    outcome = requests.request_build(wanted, request.user, **sent.validated_data)
    return Response(rows.build_request(outcome, public_host(request)), status=202 if outcome.build else 200)


@documented(
    "GET",
    responses.paged(build_responses.Build),
    path=WORKSPACE,
    query={
        "state": f"Only those that are {', '.join(BuildState.values)}.",
        "environment": "Only those of this environment.",
        "hash": "Only those of this content.",
    },
    paged=True,
)
def builds(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's builds, newest first."""
    matching = queries.builds_for_list(get_workspace(request.user, workspace))
    query = {name: str(value) for name, value in request.query_params.items()}
    if query.get("state"):
        matching = matching.filter(state=query["state"])
    if query.get("environment"):
        matching = matching.filter(version__environment__name=query["environment"])
    if query.get("hash"):
        matching = matching.filter(hash=query["hash"])
    page, pages = page_of(request, matching, ("-queued_at",))
    return pages.get_paginated_response([rows.build(row) for row in page])


@documented("GET", build_responses.WholeBuild, path=BUILD)
def build(request: ApiRequest, workspace: str, build: uuid.UUID) -> Response:
    """Give a build with its steps."""
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    build_responses.WholeBuild,
    path=BUILD,
    may=(409,),
)
def cancel(request: ApiRequest, workspace: str, build: uuid.UUID) -> Response:
    """Stop waiting for a build; the last requester who leaves stops it."""
    row = get_build(request.user, workspace, build, Right.BUILD)
    requests.cancel_requests_of(row, request.user)
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    build_responses.WholeBuild,
    path=BUILD,
    may=(409,),
)
def stop(request: ApiRequest, workspace: str, build: uuid.UUID) -> Response:
    """Stop a build for everybody who waits for it (owners)."""
    row = get_build(request.user, workspace, build, Right.CANCEL_OTHERS)
    requests.stop_build(row, request.user)
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    {200: build_responses.BuildRequest, 202: build_responses.BuildRequest},
    path=BUILD,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def retry(request: ApiRequest, workspace: str, build: uuid.UUID) -> Response:
    """Ask again for what a failed or cancelled build did not make."""
    row = get_build(request.user, workspace, build, Right.BUILD)
    outcome = requests.retry(row, request.user)
    return Response(rows.build_request(outcome, public_host(request)), status=202 if outcome.build else 200)


@documented("GET", {(200, "text/plain"): str}, path=BUILD)
def log(request: ApiRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Give a build's whole log as text."""
    row = get_build(request.user, workspace, build)
    text: AsyncIterator[str] = log_text(row.pk)
    return StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")


@documented("GET", responses.paged(image_fields.Image), path=WORKSPACE, paged=True)
def images(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's images, newest first."""
    space = get_workspace(request.user, workspace)
    page, pages = page_of(request, queries.images_for_list(space), ("-built_at", "-pk"))
    sharing = sharing_of(space, (row.hash for row in page), request.user)
    named = [(row, version_to_name(sharing[row.hash].seen, row)) for row in page]
    return pages.get_paginated_response(rows.images(named, public_host(request)))


@documented(
    "GET",
    image_fields.WholeImage,
    path=("workspace", "digest"),
)
def image(request: ApiRequest, workspace: str, digest: str) -> Response:
    """Give an image with its layers and the images that share each."""
    space = get_workspace(request.user, workspace)
    row = Image.objects.filter(workspace=space, digest=digest).select_related("workspace").first()
    if row is None:
        raise Http404(f"{space} has no image {digest}.")
    sharing = sharing_of(space, [row.hash], request.user)[row.hash]
    named = version_to_name(sharing.seen, row)
    shown = rows.image(row, public_host(request), named)
    shared = [rows.reference(version) for version in sharing.seen]
    more: dict[str, Any] = _proof(row, named)
    more |= {"policy": [hit_row(hit) for hit in hits_of_image(space, row, sharing.every)]}
    more |= {"manifests": _manifests(row), "deviations": [asdict(each) for each in deviations(row)]}
    return Response(shown | more | {"layers": _layers(row), "shared_by": shared})


def _proof(image: Image, version: Version | None) -> dict[str, Any]:
    """Return the results of an image's tests, and what is attached to it."""
    tested = tests_of(image, version)
    imports = ("state", "reason", "python", "imported", "problems", "skipped")
    smoke = ("state", "ending", "output", "seconds")
    fields = ("subject", "digest", "artifact_type", "content", "annotations")
    return {
        "import_test": {name: getattr(tested.imports, name) for name in imports} if tested.imports else None,
        "smoke_test": {name: getattr(tested.smoke, name) for name in smoke} if tested.smoke else None,
        "referrers": list(image.referrers.values(*fields)),
    }


def _manifests(image: Image) -> list[dict[str, Any]]:
    fields = ("platform", "digest", "size", "packages", "python", "base_digest")
    return list(image.platform_rows.values(*fields))


def _layers(image: Image) -> list[dict[str, Any]]:
    return [asdict(layer) for layer in layers_of(image)]


@documented(
    "GET",
    {200: image_fields.Package(many=True)},
    path=VERSION,
    query=PLATFORM,
    may=(409,),
)
def packages(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """List the packages in a version's image."""
    lock = _lock(get_version(request.user, workspace, name, version), request)
    fields = ("name", "version", "ecosystem", "size", "requested", "needed_by", "url", "sha256", "license")
    return Response([{field: getattr(package, field) for field in fields} for package in lock.packages])


@documented(
    "GET",
    {(200, kind): dict if kind.endswith("json") else str for _, kind in FORMATS.values()},
    path=VERSION,
    query={"as": f"The format: {', '.join(FORMATS)} (pylock)."} | PLATFORM,
    may=(409,),
)
def lock(request: ApiRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Give an image's exact packages as a lock or a bill of materials."""
    row = get_version(request.user, workspace, name, version)
    wanted = request.query_params.get("as", "pylock")
    if wanted not in FORMATS:
        raise Http404(f"There is no format {wanted}: there are {', '.join(FORMATS)}.")
    try:
        text = lock_as(_lock(row, request), wanted, row.environment.name)
    except CannotWrite as problem:
        raise Conflict(str(problem)) from problem
    return HttpResponse(text, content_type=f"{FORMATS[wanted][1]}; charset=utf-8")


def _lock(version: Version, request: ApiRequest) -> Lock:
    """Return the lock of the requested platform of a version's image; of the first without a request."""
    image = requests.image_of(version)
    if image is None or not image.lock:
        raise Conflict(f"{version} has no image yet: build it, then its packages are known.")
    platform = request.query_params.get("platform", "")
    if not platform:
        return Lock.model_validate(image.lock)
    locks = locks_of(image)
    if platform not in locks:
        raise Http404(f"The image of {version} is not for {platform}, but for {', '.join(locks)}.")
    return locks[platform]
