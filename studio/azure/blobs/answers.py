"""Answers as clients of Azure's blob service read them: headers for what went well, XML for what did not."""

from http import HTTPStatus
from uuid import uuid4
from xml.sax.saxutils import escape

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from environments.contexts import uploads
from environments.contexts.names import BadName
from environments.errors import ServiceError
from environments.models import UploadedBlob
from studio.azure.protocol import NO_ROOM

VERSION = "2021-08-06"
_CODES: dict[type[ServiceError], str] = {
    BadName: "InvalidResourceName",
    uploads.TooLarge: "RequestBodyTooLarge",
    uploads.WrongLength: "InvalidInput",
    uploads.BlockMissing: "InvalidBlockList",
    uploads.BlobExists: "BlobAlreadyExists",
    uploads.UploadCompleted: "BlobImmutableDueToPolicy",
}


class Refused(Exception):
    """A request that the blob service does not take: status, Azure's code, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_allowed() -> Refused:
    """Return the refusal of a signature, which does not say what is wrong with it."""
    return Refused(
        HTTPStatus.FORBIDDEN,
        "AuthenticationFailed",
        "The signature isn't valid for this container and request, or has expired.",
    )


def no_room() -> Refused:
    """Return the refusal of what has no room on the disk."""
    return Refused(HTTPStatus.INSUFFICIENT_STORAGE, "InsufficientStorage", NO_ROOM)


def described(row: UploadedBlob, status: int) -> HttpResponse:
    """Return an answer with the headers of an uploaded file."""
    response = _answer(status)
    response["ETag"] = f'"0x{row.digest[:16].upper()}"'
    response["Last-Modified"] = http_date(row.created_at.timestamp())
    return response


def properties(row: UploadedBlob) -> HttpResponse:
    """Return the answer to a HEAD of an uploaded file."""
    response = described(row, HTTPStatus.OK)
    response["Content-Length"] = str(row.size)
    response["Content-Type"] = "application/octet-stream"
    response["x-ms-blob-type"] = "BlockBlob"
    for name, value in row.metadata.items():
        response[f"x-ms-meta-{name}"] = value
    return response


def accepted() -> HttpResponse:
    """Return the answer to a block."""
    return _answer(HTTPStatus.CREATED)


def refused_for(error: ServiceError) -> Refused:
    """Return how the blob service says what a service refused."""
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "InvalidInput")
    return Refused(error.status, code, f"{error.message} {error.help}".strip())


def refusal(request: HttpRequest, error: Refused) -> HttpResponse:
    """Return the answer of a refusal; without a body to a HEAD."""
    response = _answer(error.status)
    response["x-ms-error-code"] = error.code
    if request.method != "HEAD":
        response["Content-Type"] = "application/xml"
        response.content = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        ).encode("utf-8", "replace")
    return response


def _answer(status: int) -> HttpResponse:
    response = HttpResponse(status=status)
    response["x-ms-request-id"] = str(uuid4())
    response["x-ms-version"] = VERSION
    response["Cache-Control"] = "no-store"
    return response
