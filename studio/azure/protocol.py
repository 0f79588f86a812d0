"""Shared by all these URLs: sign-in by bearer token, bounded JSON, errors in the envelope that the SDKs read."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from builds.queue.requests import StateConflict
from environments.access import user_for_token
from environments.disk_full import is_full
from environments.errors import ForbiddenError, ServiceError
from environments.models import AccessToken
from environments.versions.service import VersionTaken
from environments.workspaces.tokens import find_token
from studio.api.http.answers import SENTENCES
from studio.api.http.authentication import MaySend, bearer
from studio.api.http.parsing import BoundedJSONParser, TooLarge
from studio.azure.addresses import Scope
from studio.azure.tokens import token_behind

# Codes of the envelope, by status; the SDKs print them before the message.
CODES = {
    400: "UserError",
    401: "InvalidAuthenticationToken",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    507: "InsufficientStorage",
}
NOT_VALID = (
    "This token has expired or was revoked, or isn't the studio's. Create an access token under Your account → "
    "Access tokens."
)
NO_ROOM = "The studio's disk is full, so nothing was saved. Ask an admin to free space, then try again."
MAX_DETAILS = 20

View = Callable[..., Response]

log = logging.getLogger(__name__)


class BearerToken(BaseAuthentication):
    """Sign in by `Authorization: Bearer …` with an access token, or a JWT that was issued for it."""

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Return the token's owner, with no more rights than the token has."""
        secret = bearer(request)
        if secret is None:
            return None
        token = find_token(secret) or token_behind(secret)
        if token is None:
            raise exceptions.AuthenticationFailed(NOT_VALID)
        return user_for_token(token), token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="studio"'


class AnyJSON(BoundedJSONParser):
    """Reads every body as JSON, and refuses the character NUL anywhere in it: PostgreSQL holds none."""

    media_type = "*/*"

    def parse(self, stream: IO[Any], *args: Any, **kwargs: Any) -> Any:
        """Return what the JSON says."""
        parsed = super().parse(stream, *args, **kwargs)
        if _has_nul(parsed):
            raise exceptions.ParseError("The JSON holds the character NUL (\\u0000). Remove it.")
        return parsed


def _has_nul(value: Any) -> bool:
    # The parser has bounded the depth.
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


class OnlyJSON(BaseContentNegotiation):  # type: ignore[misc, unused-ignore]
    """Reads and writes JSON alone; Accept and Content-Type are ignored."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the only parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the only renderer."""
        return renderers[0], renderers[0].media_type


class ArmView(APIView):
    """Answers one URL; `route` makes them."""

    authentication_classes = [BearerToken]
    permission_classes = [MaySend]
    parser_classes = [AnyJSON]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON
    metadata_class = None
    schema = None  # the API's schema does not list them
    only_reads = False

    def get_exception_handler(self) -> Any:
        """Return what answers an exception."""
        return answer_to


def route(*, only_reads: bool = False, public: bool = False, **methods: View) -> Any:
    """Return a view for a URL from a function for each method.

    The functions get the `Scope` that the URL names as `scope`. Read-only tokens may send any method to a view that
    `only_reads`; a `public` view needs no sign-in, and counts no requests.
    """
    first = next(iter(methods.values()))
    attributes: dict[str, Any] = {method.lower(): _handler(view) for method, view in methods.items()}
    attributes |= {"only_reads": only_reads, "__doc__": first.__doc__, "__module__": first.__module__}
    if public:
        attributes |= {"authentication_classes": [], "permission_classes": [], "throttle_classes": []}
    return type(first.__name__, (ArmView,), attributes).as_view()  # type: ignore[attr-defined]


def _handler(view: View) -> Callable[..., Response]:
    def handle(self: ArmView, request: Request, **path: str) -> Response:
        if "workspace" in path:
            scope = Scope(path.pop("subscription"), path.pop("group"), path.pop("workspace"))
            return view(request, scope=scope, **path)
        return view(request, **path)

    return handle


def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; empty without a body."""
    if not isinstance(request.data, dict):
        raise exceptions.ParseError("Send a JSON object.")
    return request.data


def envelope(
    status: int,
    message: str,
    *,
    code: str = "",
    details: list[dict[str, str]] | None = None,
    target: str = "",
) -> dict[str, Any]:
    """Return an error as the SDKs read it."""
    error = {"code": code or CODES.get(status, "UserError"), "message": message, "details": details or []}
    return {"error": error | ({"target": target} if target else {})}


def answer_to(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception; None for the studio's own mistakes, which Django reports."""
    set_rollback()
    match error:
        case ServiceError():
            return _refused(error)
        case StateConflict():
            return _answer(400, str(error))
        case Http404():
            return _answer(404, str(error) or SENTENCES["not-found"])
        case PermissionDenied():
            return _answer(403, str(error) or SENTENCES["forbidden"])
        case RequestDataTooBig():
            return _answer(413, str(TooLarge.default_detail))
        case SuspiciousOperation():
            return _answer(400, "What was sent can't be read.")
        case exceptions.ValidationError():
            details = [{"code": "invalid", "message": text} for text in _sentences(error.detail)]
            first = details[0]["message"] if details else ""
            return _answer(400, f"Something in the request isn't right. {first}".strip(), details)
        case exceptions.APIException():
            response = _answer(error.status_code, str(error.detail))
            if getattr(error, "auth_header", None):
                response["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
            if getattr(error, "wait", None):
                response["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
            return response
    if is_full(error):
        log.error("The disk is full: %s", error)
        return _answer(HTTPStatus.INSUFFICIENT_STORAGE, NO_ROOM)
    return None


def _answer(status: int, message: str, details: list[dict[str, str]] | None = None) -> Response:
    return Response(envelope(status, message, details=details), status=status)


def _refused(error: ServiceError) -> Response:
    # To an SDK, 409 means one thing: this version exists with other content, and the next number is to be tried.
    status = HTTPStatus.CONFLICT if isinstance(error, VersionTaken) else HTTPStatus.BAD_REQUEST
    status = error.status if isinstance(error, ForbiddenError) else status
    details = [{"code": error.code, "message": f"{error.message} {error.help}".strip()}]
    if error.reading is not None:
        errors = [finding for finding in error.reading.findings if finding.severity == "error"]
        details = [
            {
                "code": finding.code,
                "message": f"{finding.message} {finding.help}".strip(),
                "target": f"{finding.file}:{finding.line}" if finding.line else finding.file,
            }
            for finding in errors
        ]
    return _answer(status, f"{error.message} {error.help}".strip(), details[:MAX_DETAILS])


def _sentences(detail: Any, field: str = "") -> list[str]:
    """Return what is wrong, with the names of the fields."""
    if isinstance(detail, dict):
        return [
            text for name, inner in detail.items() for text in _sentences(inner, f"{field}.{name}".strip("."))
        ]
    messages = detail if isinstance(detail, list) else [detail]
    return [f"{field}: {message}" if field else str(message) for message in messages]


def nowhere(request: Request, **path: str) -> Response:
    """Answer a URL that the studio does not have."""
    return _answer(404, f"The studio has nothing at {request.path}.")
