"""The language of a page: the reader's choice, else the browser's."""

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

# Programs read these, so they are always in English.
FOR_PROGRAMS = (
    "/api/", "/v2/", "/metrics", "/healthz", "/readyz", "/subscriptions", "/environment/", "/mferp/",
    "/registrymanagement/", "/metadata/", "/discovery", "/blobstore/",
)  # fmt: skip


@sync_and_async_middleware
def language(get_response: Callable[..., object]) -> Callable[..., object]:
    """Answer in the language that was chosen, else in one that the browser asks for."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with translation.override(language_of(request)):
                return with_content_language(request, await get_response(request))

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        with translation.override(language_of(request)):
            return with_content_language(request, get_response(request))  # type: ignore[arg-type]

    return answer


def language_of(request: HttpRequest) -> str:
    """Return the language for a request."""
    if request.path_info.startswith(FOR_PROGRAMS):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


def with_content_language(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not request.path_info.startswith(FOR_PROGRAMS):
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        patch_vary_headers(response, ("Accept-Language",))
    return response
