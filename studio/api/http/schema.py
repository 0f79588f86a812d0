"""The OpenAPI description of each URL, by one decorator."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view

from studio.api.http.authentication import TokenAuthentication
from studio.api.shapes import responses

PATH = {
    "workspace": (OpenApiTypes.STR, "The workspace's name; `curated` is the catalogue."),
    "name": (OpenApiTypes.STR, "The environment's name."),
    "curated": (OpenApiTypes.STR, "The name of a curated environment."),
    "version": (OpenApiTypes.STR, "A version, a label, or `latest`."),
    "label": (OpenApiTypes.STR, "A label, such as `prod`."),
    "build": (OpenApiTypes.UUID, "The build's id."),
    "proposal": (OpenApiTypes.INT, "The proposal's number."),
    "run": (OpenApiTypes.INT, "The number of a run that heals."),
    "item": (OpenApiTypes.INT, "The number of an item of the run."),
    "share": (OpenApiTypes.INT, "The share's number."),
    "rebase": (OpenApiTypes.INT, "The rebase's number."),
    "digest": (OpenApiTypes.STR, "The image's digest, sha256:…"),
    "subject": (OpenApiTypes.STR, "An advisory by any of its names, or a package such as `lib<2`."),
    "user": (OpenApiTypes.STR, "The person's user name."),
    "token": (OpenApiTypes.INT, "The token's number."),
    "invitation": (OpenApiTypes.INT, "The invitation's number."),
    "webhook": (OpenApiTypes.INT, "The webhook's number."),
    "rule": (OpenApiTypes.STR, "A rule, such as `licence`."),
    "exception": (OpenApiTypes.INT, "The exception's number."),
    "decision": (OpenApiTypes.INT, "The decision's number."),
    "delivery": (OpenApiTypes.UUID, "The delivery's id."),
    "key": (OpenApiTypes.INT, "The number of a badge's key."),
}
PAGED = {"cursor": "Where the page begins: from `next` or `previous`.", "size": "Rows a page, up to 500."}
# Statuses that any request may get; the schema lists them for each URL.
ALWAYS = {400: "What was sent is not right.", 401: "You aren't signed in.", 429: "Too many requests: wait."}
MORE = {
    403: "Your role, or the token's scope, does not allow it.",
    404: "There is no such thing that you can see.",
    409: "The state that things are in does not allow it.",
    412: "It was changed in between.",
    415: "The body is of a type that is not read here: send JSON.",
}


def documented(
    method: str,
    answers: Any,
    *,
    takes: Any = None,
    path: tuple[str, ...] = (),
    query: dict[str, str] | None = None,
    may: tuple[int, ...] = (),
    paged: bool = False,
    headers: tuple[str, ...] = (),
    refused: Any = responses.Error,
) -> Callable[[Any], Any]:
    """Describe what a URL takes and returns for one method; the summary is the first line of its docstring.

    `answers` is a shape for 200, or shapes by status. `may` adds error statuses.
    """
    by_status = answers if isinstance(answers, dict) else {200: answers}
    failures = {
        status: OpenApiResponse(responses.Error, description) for status, description in ALWAYS.items()
    }
    failures[400] = OpenApiResponse(refused, ALWAYS[400])
    failures |= {
        status: OpenApiResponse(responses.Taken if status == 409 else responses.Error, MORE[status])
        for status in {403, *((404,) if path else ()), *(() if method == "GET" else (415,)), *may}
    }
    parameters = [OpenApiParameter(name, PATH[name][0], "path", description=PATH[name][1]) for name in path]
    query_fields = (query or {}) | (PAGED if paged else {})
    parameters += [
        OpenApiParameter(
            name, OpenApiTypes.INT if name == "size" else OpenApiTypes.STR, description=description
        )
        for name, description in query_fields.items()
    ]
    parameters += [OpenApiParameter(name, OpenApiTypes.STR, "header") for name in headers]

    def decorate(view: Any) -> Any:
        summary = (view.__doc__ or "").partition("\n")[0].removesuffix(".")
        view.described = extend_schema(
            operation_id=view.__name__,
            methods=[method],
            summary=summary,
            description=summary,
            parameters=parameters,
            request=takes,
            responses=by_status | failures,
        )
        return view

    return decorate


def route(*, only_reads: bool = False, **methods: Any) -> Any:
    """Return a view for a URL from a documented function for each method.

    Read-only tokens may send any method to a view that `only_reads`.
    """

    def dispatch(request: Any, /, **path: Any) -> Any:
        return methods[request.method if request.method != "HEAD" else "GET"](request, **path)

    first = next(iter(methods.values()))
    dispatch.__name__ = dispatch.__qualname__ = first.__name__
    dispatch.__doc__ = first.__doc__
    view = api_view(list(methods))(dispatch)
    view.cls.only_reads = only_reads  # type: ignore[attr-defined]
    for method in methods.values():
        view = method.described(view)
    return view


class TokenInSchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Access tokens in the schema."""

    target_class = TokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token: Your account → Access tokens.",
        }
