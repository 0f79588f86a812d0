"""Receive files and blocks of build contexts, as clients of Azure's blob service send them.

A signature in the query allows a request; tokens and sessions count for nothing here.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.contrib.auth.models import User
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from environments.access import Right, may, user_for_token
from environments.contexts import uploads
from environments.contexts.folder import FIRST_SDK
from environments.contexts.names import BlobName, read_block_id, read_name
from environments.disk_full import is_full
from environments.errors import ServiceError
from environments.models import Workspace
from environments.workspaces.tokens import valid_tokens
from studio.azure.blobs import answers, reading, shared_key, signatures
from studio.azure.blobs.answers import Refused
from studio.azure.blobs.containers import container_of

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest, Workspace, BlobName, User], HttpResponse]


@csrf_exempt
def blob(request: HttpRequest, container: str, name: str, account: str = "") -> HttpResponse:
    """Give the properties of an uploaded file, or receive a file, a block, a list of blocks or metadata."""
    return _answered(request, lambda: _holder(request, container), name)


@csrf_exempt
def first_sdk_container(request: HttpRequest) -> HttpResponse:
    """Let the first SDK create its container, which is there."""
    try:
        _signer(request)
        if request.method != "PUT" or request.GET.get("restype") != "container":
            raise Refused(405, "UnsupportedHttpVerb", "The container is created with PUT.")
        return answers.accepted()
    except Refused as error:
        return answers.refusal(request, error)


@csrf_exempt
def first_sdk_blob(request: HttpRequest, name: str) -> HttpResponse:
    """Receive a file of a build context from the first SDK, which signs its requests with a key."""
    return _answered(request, lambda: _signer(request), f"{FIRST_SDK}/{name}")


def _answered(request: HttpRequest, holder: Callable[[], tuple[Workspace, User]], name: str) -> HttpResponse:
    try:
        workspace, user = holder()
        handler = _handler(request)
        return handler(request, workspace, read_name(name), user)
    except ServiceError as error:
        return answers.refusal(request, answers.refused_for(error))
    except Refused as error:
        return answers.refusal(request, error)
    except (OSError, OperationalError) as error:
        if not is_full(error):
            raise
        log.error("The disk is full: %s", error)
        return answers.refusal(request, answers.no_room())


def _holder(request: HttpRequest, container: str) -> tuple[Workspace, User]:
    """Return the container's workspace and the holder of the signature. Raises Refused.

    The holder must still have the right that the signature was issued for.
    """
    writes = request.method != "HEAD"
    needed = signatures.WRITE if writes else signatures.READ
    holder = signatures.check(dict(request.GET.lists()), container, needed)
    if holder is None:
        raise answers.not_allowed()
    workspace = Workspace.objects.filter(pk=holder.workspace).first()
    token = valid_tokens().filter(pk=holder.token).first()
    if workspace is None or token is None or container_of(workspace) != container:
        raise answers.not_allowed()
    user = user_for_token(token)
    if not may(user, Right.DEFINE if writes else Right.SEE, workspace):
        raise answers.not_allowed()
    return workspace, user


def _signer(request: HttpRequest) -> tuple[Workspace, User]:
    """Return the workspace and the holder of the key that a request is signed with. Raises Refused."""
    signed_for = shared_key.signer(request)
    if signed_for is None:
        raise answers.not_allowed()
    workspace = Workspace.objects.filter(name=signed_for[0]).first()
    token = valid_tokens().filter(pk=signed_for[1]).first()
    if workspace is None or token is None:
        raise answers.not_allowed()
    user = user_for_token(token)
    if not may(user, Right.DEFINE, workspace):
        raise answers.not_allowed()
    return workspace, user


def _handler(request: HttpRequest) -> Handler:
    comp = request.GET.get("comp", "")
    if request.method == "HEAD" and not comp:
        return _properties
    if request.method != "PUT":
        raise Refused(405, "UnsupportedHttpVerb", "Files are sent with PUT and looked up with HEAD.")
    if request.headers.get("x-ms-copy-source"):
        raise Refused(400, "UnsupportedHeader", "Files can't be copied from elsewhere: send their content.")
    handlers: dict[str, Handler] = {
        "": _put,
        "block": _put_block,
        "blocklist": _put_block_list,
        "metadata": _set_metadata,
    }
    if comp not in handlers:
        raise Refused(400, "InvalidQueryParameterValue", "comp is block, blocklist or metadata.")
    return handlers[comp]


def _properties(request: HttpRequest, workspace: Workspace, name: BlobName, user: User) -> HttpResponse:
    row = uploads.blob(workspace, name)
    if row is None:
        raise _missing()
    return answers.properties(row)


def _put(request: HttpRequest, workspace: Workspace, name: BlobName, user: User) -> HttpResponse:
    if request.headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        raise Refused(400, "InvalidBlobType", "Only block blobs are received.")
    row = uploads.put_blob(
        workspace,
        name,
        reading.chunks_of(request),
        length=reading.length_of(request),
        user=user,
        metadata=reading.metadata_of(request),
        only_new=_only_new(request),
        md5=reading.checksum_of(request),
    )
    return answers.described(row, HTTPStatus.CREATED)


def _put_block(request: HttpRequest, workspace: Workspace, name: BlobName, user: User) -> HttpResponse:
    uploads.put_block(
        workspace,
        name,
        read_block_id(request.GET.get("blockid", "")),
        reading.chunks_of(request),
        length=reading.length_of(request),
        user=user,
        md5=reading.checksum_of(request),
    )
    return answers.accepted()


def _put_block_list(request: HttpRequest, workspace: Workspace, name: BlobName, user: User) -> HttpResponse:
    row = uploads.put_block_list(
        workspace,
        name,
        reading.blocks_of(request),
        user=user,
        metadata=reading.metadata_of(request),
        only_new=_only_new(request),
    )
    return answers.described(row, HTTPStatus.CREATED)


def _set_metadata(request: HttpRequest, workspace: Workspace, name: BlobName, user: User) -> HttpResponse:
    row = uploads.set_metadata(workspace, name, reading.metadata_of(request))
    if row is None:
        raise _missing()
    return answers.described(row, HTTPStatus.OK)


def _only_new(request: HttpRequest) -> bool:
    return request.headers.get("If-None-Match", "").strip() == "*"


def _missing() -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, "BlobNotFound", "There is no such file.")
