"""Builds and images."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from builds import queries, services
from builds.exports import FORMATS, lock_as
from builds.images import Lock
from builds.models import Image, State
from builds.pages import get_build
from builds.views import log_text
from environments.access import Right, get_version, get_workspace
from environments.definition import CannotWrite
from environments.models import Version
from studio.api import bodies, rows, shapes
from studio.api.answers import Conflict, page_of
from studio.api.describing import documented, route
from studio.api.repeating import HEADER, answered_once

PLACE = ("workspace",)
VERSION = ("workspace", "name", "version")
BUILD = ("workspace", "build")


@documented(
    "POST",
    "Ask for a version's image: it is there at once (200), or a build will make it (202)",
    {200: shapes.Asked, 202: shapes.Asked},
    takes=bodies.BuildIn,
    path=VERSION,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def ask(request: Request, workspace: str, name: str, version: str) -> Response:
    """Ask for a version's image: it is there at once (200), or a build will make it (202)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    sent = bodies.BuildIn(data=request.data)
    sent.is_valid(raise_exception=True)
    asked = services.request_build(wanted, request.user, **sent.validated_data)  # type: ignore[arg-type]
    return Response(rows.asked(asked, request.get_host()), status=202 if asked.build else 200)


@documented(
    "GET",
    "List a workspace's builds, newest first",
    shapes.paged(shapes.Build),
    path=PLACE,
    query={
        "state": f"Only those that are {', '.join(State.values)}.",
        "environment": "Only those of this environment.",
        "hash": "Only those of this content.",
    },
    paged=True,
)
def builds(request: Request, workspace: str) -> Response:
    """List a workspace's builds, newest first."""
    found = queries.builds_for_list(get_workspace(request.user, workspace))
    asked = {name: str(value).replace("\0", "") for name, value in request.query_params.items()}
    if asked.get("state"):
        found = found.filter(state=asked["state"])
    if asked.get("environment"):
        found = found.filter(version__environment__name=asked["environment"])
    if asked.get("hash"):
        found = found.filter(hash=asked["hash"])
    page, pages = page_of(request, found, ("-queued_at",))
    return pages.get_paginated_response([rows.build(row) for row in page])


@documented("GET", "Give a build with its steps", shapes.WholeBuild, path=BUILD)
def build(request: Request, workspace: str, build: uuid.UUID) -> Response:
    """Give a build with its steps."""
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    "Stop waiting for a build; the last one who leaves stops it",
    shapes.WholeBuild,
    path=BUILD,
    may=(409,),
)
def cancel(request: Request, workspace: str, build: uuid.UUID) -> Response:
    """Stop waiting for a build; the last one who leaves stops it."""
    found = get_build(request.user, workspace, build, Right.BUILD)
    services.cancel_for(found, request.user)  # type: ignore[arg-type]
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    "Stop a build for everybody who waits for it (owners)",
    shapes.WholeBuild,
    path=BUILD,
    may=(409,),
)
def stop(request: Request, workspace: str, build: uuid.UUID) -> Response:
    """Stop a build for everybody who waits for it (owners)."""
    found = get_build(request.user, workspace, build, Right.CANCEL_OTHERS)
    services.stop_for_all(found, request.user)  # type: ignore[arg-type]
    return Response(rows.whole_build(get_build(request.user, workspace, build)))


@documented(
    "POST",
    "Ask again for what a failed or cancelled build did not make",
    {200: shapes.Asked, 202: shapes.Asked},
    path=BUILD,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def retry(request: Request, workspace: str, build: uuid.UUID) -> Response:
    """Ask again for what a failed or cancelled build did not make."""
    found = get_build(request.user, workspace, build, Right.BUILD)
    asked = services.retry(found, request.user)  # type: ignore[arg-type]
    return Response(rows.asked(asked, request.get_host()), status=202 if asked.build else 200)


@documented("GET", "Give a build's whole log as text", {(200, "text/plain"): str}, path=BUILD)
def log(request: Request, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Give a build's whole log as text."""
    found = get_build(request.user, workspace, build)
    text: AsyncIterator[str] = log_text(found.pk)
    return StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")


@documented(
    "GET", "List a workspace's images, newest first", shapes.paged(shapes.Image), path=PLACE, paged=True
)
def images(request: Request, workspace: str) -> Response:
    """List a workspace's images, newest first."""
    found = queries.images_for_list(get_workspace(request.user, workspace))
    page, pages = page_of(request, found, ("-built_at", "-pk"))
    return pages.get_paginated_response([rows.image(row, request.get_host()) for row in page])


@documented(
    "GET",
    "Give an image with its layers and who shares it",
    shapes.WholeImage,
    path=("workspace", "digest"),
)
def image(request: Request, workspace: str, digest: str) -> Response:
    """Give an image with its layers and who shares it."""
    place = get_workspace(request.user, workspace)
    found = Image.objects.filter(workspace=place, digest=digest).select_related("workspace").first()
    if found is None:
        raise Http404(f"{place} has no image {digest}.")
    shown = rows.image(found, request.get_host())
    shared = [rows.reference(version) for version in services.versions_sharing(place, found.hash)]
    return Response(shown | {"layers": _layers(found), "shared_by": shared})


def _layers(image: Image) -> list[dict[str, Any]]:
    return [
        {"digest": layer["digest"], "size": layer["size"], "what": layer.get("what", "")}
        for layer in image.layers
    ]


@documented(
    "GET",
    "List the packages in a version's image",
    {200: shapes.Package(many=True)},
    path=VERSION,
    may=(409,),
)
def packages(request: Request, workspace: str, name: str, version: str) -> Response:
    """List the packages in a version's image."""
    lock = _lock(get_version(request.user, workspace, name, version))
    fields = ("name", "version", "ecosystem", "size", "requested", "needed_by", "url", "sha256")
    return Response([{field: getattr(package, field) for field in fields} for package in lock.packages])


@documented(
    "GET",
    "Give an image's exact packages as a lock or a bill of materials",
    {(200, kind): dict if kind.endswith("json") else str for _, kind in FORMATS.values()},
    path=VERSION,
    query={"as": f"The format: {', '.join(FORMATS)} (pylock)."},
    may=(409,),
)
def lock(request: Request, workspace: str, name: str, version: str) -> HttpResponse:
    """Give an image's exact packages as a lock or a bill of materials."""
    found = get_version(request.user, workspace, name, version)
    wanted = request.query_params.get("as", "pylock")
    if wanted not in FORMATS:
        raise Http404(f"There is no format {wanted}: there are {', '.join(FORMATS)}.")
    try:
        text = lock_as(_lock(found), wanted, found.environment.name)
    except CannotWrite as problem:
        raise Conflict(str(problem)) from problem
    return HttpResponse(text, content_type=f"{FORMATS[wanted][1]}; charset=utf-8")


def _lock(version: Version) -> Lock:
    image = services.image_of(version)
    if image is None or not image.lock:
        raise Conflict(f"{version} has no image yet: build it, then its packages are known.")
    return Lock.model_validate(image.lock)


ROUTES = {
    "ask": route(POST=ask),
    "builds": route(GET=builds),
    "build": route(GET=build),
    "cancel": route(POST=cancel),
    "stop": route(POST=stop),
    "retry": route(POST=retry),
    "log": route(GET=log),
    "images": route(GET=images),
    "image": route(GET=image),
    "packages": route(GET=packages),
    "lock": route(GET=lock),
}
