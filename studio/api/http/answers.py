"""The shape of errors, pages of lists and entity tags, shared by all responses of the API."""

import hashlib
import json
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as Unfitting
from django.db import DataError
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, status
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from builds.queue.requests import StateConflict
from environments.definition.cli import offers_json
from environments.errors import ServiceError
from environments.public_url import absolute_url
from environments.versions.service import VersionTaken
from studio.api.http.parsing import TooLarge

SENTENCES = {
    "not-found": "Nothing that you can see is at this address.",
    "forbidden": "You may not do this.",
}


class Conflict(exceptions.APIException):
    """The state that things are in does not allow it."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class Changed(exceptions.APIException):
    """Somebody changed it in between: the entity tag is no longer that of what there is."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "changed"
    default_detail = "It was changed in between. Read it again, and send your change with its new ETag."


def shaped(
    code: str, message: str, errors: dict[str, list[str]] | None = None, **more: Any
) -> dict[str, Any]:
    """Return an error in the shape that all errors share."""
    return {"code": code, "message": message, "errors": errors or {}, **more}


def answer_to(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception; None for the studio's own mistakes, which Django reports."""
    set_rollback()
    match error:
        case VersionTaken():
            body = shaped(error.code, error.message, {"version": [error.help]})
            return Response(body | {"difference": error.difference.as_json()}, status=error.status)
        case ServiceError():
            return Response(_refused(error), status=error.status)
        case StateConflict():
            return Response(shaped("not-possible", str(error)), status=409)
        case Http404():
            return Response(shaped("not-found", str(error) or SENTENCES["not-found"]), status=404)
        case PermissionDenied():
            return Response(shaped("forbidden", str(error) or SENTENCES["forbidden"]), status=403)
        case RequestDataTooBig():
            return answer_to(TooLarge(), context)
        case SuspiciousOperation():  # such as a form of too many fields
            return Response(shaped("invalid", "What was sent cannot be read."), status=400)
        case exceptions.ValidationError():
            fields = _fields(error.detail)
            first = next((f"{name}: {messages[0]}" for name, messages in fields.items()), "")
            return Response(
                shaped("invalid", f"Something sent is not right. {first}".strip(), fields), status=400
            )
        case exceptions.APIException():
            headers = {}
            if getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
            if getattr(error, "wait", None):
                headers["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
            codes = error.get_codes()
            code = codes.replace("_", "-") if isinstance(codes, str) else "invalid"
            return Response(shaped(code, str(error.detail)), status=error.status_code, headers=headers)
    return None


def _refused(error: ServiceError) -> dict[str, Any]:
    message = f"{error.message} {error.help}".strip()
    if error.reading is None:
        return shaped(error.code, message)
    findings = [finding.as_json() for finding in error.reading.findings]
    return shaped(error.code, message, findings=findings, offers=offers_json(error.reading.offers))


def _fields(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Return what is wrong by field; a field inside another is named `outer.inner`."""
    if isinstance(detail, dict):
        fields: dict[str, list[str]] = {}
        for name, inner in detail.items():
            fields |= _fields(inner, f"{prefix}.{name}" if prefix else str(name))
        return fields
    messages = [str(error) for error in detail] if isinstance(detail, list) else [str(detail)]
    return {prefix or "body": messages}


@csrf_exempt
def nowhere(request: HttpRequest, path: str = "") -> JsonResponse:
    """Answer what asks for an address that the API does not have."""
    return JsonResponse(shaped("not-found", f"The API has no address {request.path}."), status=404)


class Pages(CursorPagination):
    """Pages that stay where they are while rows come and go: follow `next`."""

    page_size = 50
    page_size_query_param = "size"
    max_page_size = 500

    def __init__(self, ordering: tuple[str, ...]) -> None:
        self.ordering = ordering

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Read the page; `next` and `previous` begin with the studio's own URL."""
        rows: list[Any] | None = super().paginate_queryset(queryset, request, view)
        self.base_url = absolute_url(request.get_full_path(), request)
        return rows


def page_of(request: Request, rows: Any, ordering: tuple[str, ...]) -> tuple[list[Any], Pages]:
    """Return the rows of the page that a request asks for, and what wraps them."""
    pages = Pages(ordering)
    try:
        page: list[Any] | None = pages.paginate_queryset(rows, request)
    except (exceptions.NotFound, Unfitting, ValueError, OverflowError, DataError):
        if Pages.cursor_query_param not in request.query_params:
            raise
        message = "Follow the address in `next` or `previous`; a cursor cannot be made up."
        raise exceptions.ValidationError({"cursor": [message]}) from None
    return page or [], pages


def etag(*parts: object) -> str:
    """Return the entity tag of what may change."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check_unchanged(request: Request, now: str) -> None:
    """Raise Changed when the request is meant for another state than there is now (`If-Match`)."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    # An answer that was packed on its way had a weak tag: the state is the same, the bytes are not.
    if now not in {part.strip().removeprefix("W/") for part in wanted.split(",")}:
        raise Changed
