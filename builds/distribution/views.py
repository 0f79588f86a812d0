"""The answers under /v2/. None of them looks at a browser's session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import BinaryIO, TypeVar
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from builds.distribution import access
from builds.distribution.body import BlobBody, Unsatisfiable, part
from builds.distribution.errors import Refusal, SignInNeeded, redirected, sign_in_needed, unknown_manifest
from builds.distribution.named import NamedRepository, NotBuilt, open_repository
from builds.distribution.on_demand import request_for_pull
from builds.distribution.referrers import attached_blob, attached_manifest, referrers_of
from builds.distribution.repository import DIGEST, Manifest, Repository, Stream
from builds.distribution.waiting import wait_for
from builds.imaging.oci.manifest import OCI_INDEX
from builds.imaging.oci.referrers import index_of
from environments.public_url import absolute_url
from environments.workspaces.tour import PULLED, note

READ = ("GET", "HEAD")
TAGS_A_PAGE = 1000

View = Callable[..., HttpResponseBase]
Response = TypeVar("Response", bound=HttpResponseBase)


def registry(view: View) -> View:
    """Let a view only read, and answer what it refuses in the specification's words."""

    # Programs push, not forms: they get the registry's errors, not the error about a missing CSRF token.
    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponseBase:
        try:
            if request.method not in READ:
                raise Refusal(
                    405,
                    "UNSUPPORTED",
                    "Images come into this registry by being built in the studio; it takes no pushes.",
                    allow=", ".join(READ),
                )
            response = view(request, *args, **kwargs)
        except SignInNeeded as needed:
            response = sign_in_needed(request, str(needed), repository=needed.name).response()
        except Refusal as refusal:
            response = refusal.response_to(request)
        response["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response

    return answer


@registry
def version(request: HttpRequest) -> HttpResponse:
    """Say that this is a registry, and to whom it wants to talk.

    Docker Engine asks here first, and sends its credentials later only if it was challenged here.
    """
    person = access.puller(request)
    authorized = "Authorization" in request.headers
    if not authorized and access.sign_in_matters():
        raise sign_in_needed(request, "Fetch a token; without an account it opens what anyone may pull.")
    return JsonResponse({"user": person.get_username()} if person.is_authenticated else {})


@registry
def token(request: HttpRequest) -> HttpResponse:
    """Give a token for the account whose name and password were sent, or for nobody."""
    person = access.puller(request) if "Authorization" in request.headers else AnonymousUser()
    value = access.make_token(person)
    answer = JsonResponse(
        {
            "token": value,
            "access_token": value,
            "expires_in": access.TOKEN_SECONDS,
            "issued_at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    answer["Cache-Control"] = "no-store"
    return answer


@registry
def manifest(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """Send the manifest of a tag or a digest; a version without an image is built, if the client may build."""
    result = _manifest(request, name, reference)
    known = _known(request, result.digest)
    response = HttpResponse(status=304) if known else _whole(request, result)
    response["Vary"] = "Accept"  # a tag of an index has two answers
    return _immutable(response, result.digest, by_digest=reference == result.digest)


@registry
def blob(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """Send a blob of one of the repository's images, or a part of it."""
    file, size = _blob(open_repository(access.puller(request), name), digest)
    # A pull may last for minutes: it holds a file open, not a connection to the database.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    if request.method == "HEAD" or _known(request, digest):
        file.close()
        answer: HttpResponseBase = HttpResponse(status=304 if _known(request, digest) else 200)
        if answer.status_code == 200:
            answer["Content-Length"] = str(size)
    else:
        answer = _part_of(
            file, size, request.headers.get("Range", "") if _range_holds(request, digest) else ""
        )
    answer["Content-Type"] = "application/octet-stream"
    answer["Accept-Ranges"] = "bytes"
    return _immutable(answer, digest, by_digest=True)


@registry
def tags(request: HttpRequest, name: str) -> HttpResponse:
    """List the repository's tags in order, a page at a time."""
    repository = open_repository(access.puller(request), name)
    last = request.GET.get("last", "")
    try:
        wanted = int(request.GET.get("n", TAGS_A_PAGE))
    except ValueError:
        wanted = -1
    if wanted < 0:
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", "n is the number of tags to list: 0, 1, 2 …")
    there = sorted((tag for tag in repository.tags if _lexical(tag) > _lexical(last)), key=_lexical)
    page = there[:wanted]
    answer = JsonResponse({"name": name, "tags": page})
    if page and len(page) < len(there):
        query = urlencode({"n": wanted, "last": page[-1]})
        answer["Link"] = f'</v2/{name}/tags/list?{query}>; rel="next"'
    return answer


@registry
def referrers(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """List what is attached to an image: its bills of materials and its provenance."""
    repository = open_repository(access.puller(request), name)
    if not DIGEST.fullmatch(digest):
        raise Refusal(400, "DIGEST_INVALID", f"{digest[:200]} is not a sha256 digest.")
    wanted = request.GET.get("artifactType", "").replace("\0", "")
    entries = referrers_of(repository.images, digest, wanted)
    answer = HttpResponse(index_of(entries), content_type=OCI_INDEX)
    if wanted:
        answer["OCI-Filters-Applied"] = "artifactType"
    answer["Cache-Control"] = "private, no-cache"
    return answer


@registry
def unsupported(request: HttpRequest) -> HttpResponse:
    """Say that there is nothing here."""
    raise Refusal(
        404,
        "UNSUPPORTED",
        "This registry serves manifests, blobs, referrers and lists of tags, nothing else.",
    )


def _manifest(request: HttpRequest, name: str, reference: str) -> Manifest:
    user = access.puller(request)
    repository = open_repository(user, name)
    result = _built(request, user, repository, name, reference)
    if request.method == "GET":
        note(user, PULLED)
    return result


def _built(
    request: HttpRequest,
    user: access.Puller,
    repository: Repository | NamedRepository,
    name: str,
    reference: str,
) -> Manifest:
    accepts = partial(_accepts, request.headers.get("Accept", ""))
    unknown = unknown_manifest(name, reference)
    if DIGEST.fullmatch(reference) and (attached := attached_manifest(repository.images, reference)):
        return attached
    try:
        return repository.manifest(reference, accepts)
    except NotBuilt as missing:
        under_way = request_for_pull(user, missing.version, unknown, lambda path: absolute_url(path, request))
    if under_way is not None:
        if not redirected(request):  # it has waited before
            wait_for(request, under_way.build_id)
        raise under_way
    try:
        return repository.manifest(reference, accepts)  # which was made meanwhile
    except NotBuilt:
        raise unknown from None


def _blob(repository: Repository | NamedRepository, digest: str) -> Stream:
    """Return a blob of an image, or of what is attached to one."""
    try:
        return repository.blob(digest)
    except Refusal:
        attached = attached_blob(repository.images, digest) if DIGEST.fullmatch(digest) else None
        if attached is None:
            raise
        return attached


def _lexical(tag: str) -> tuple[str, str]:
    """Return a tag's key in the order of the specification: lexical, capitals like small letters; so 10 before 2."""
    return tag.lower(), tag


def _whole(request: HttpRequest, manifest: Manifest) -> HttpResponse:
    response = HttpResponse(
        b"" if request.method == "HEAD" else manifest.content, content_type=manifest.media_type
    )
    response["Content-Length"] = str(len(manifest.content))
    return response


def _part_of(file: BinaryIO, size: int, header: str) -> HttpResponseBase:
    """Return the file, or what a Range header asks of it."""
    try:
        wanted = part(header, size)
    except Unsatisfiable:
        file.close()
        refused = Refusal(416, "SIZE_INVALID", f"The blob has {size} bytes.").response()
        refused["Content-Range"] = f"bytes */{size}"
        return refused
    first, length = wanted or (0, size)
    answer = StreamingHttpResponse(BlobBody(file, first, length), status=206 if wanted else 200)
    answer["Content-Length"] = str(length)
    if wanted:
        answer["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    return answer


def _immutable(answer: Response, digest: str, *, by_digest: bool) -> Response:
    """Add what says which content this is, and how long it stays true: for a digest, for ever."""
    answer["Docker-Content-Digest"] = digest
    answer["ETag"] = f'"{digest}"'
    answer["Cache-Control"] = "private, max-age=31536000, immutable" if by_digest else "private, no-cache"
    return answer


def _known(request: HttpRequest, digest: str) -> bool:
    header = request.headers.get("If-None-Match", "")
    known = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return digest in known or "*" in known


def _range_holds(request: HttpRequest, digest: str) -> bool:
    """Return whether the requested range is of this content; otherwise the client gets all of it."""
    condition = request.headers.get("If-Range", "").strip()
    return not condition or condition.strip('"') == digest


def _accepts(header: str, media_type: str) -> bool:
    """Return whether the client accepts this media type. No Accept header, or any JSON, accepts it."""
    named = [entry.partition(";")[0].strip().lower() for entry in header.split(",") if entry.strip()]
    return not named or any(
        item in named for item in (media_type, "*/*", "application/*", "application/json")
    )
