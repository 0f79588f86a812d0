"""What every answer carries, and the language that it is in."""

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",  # the design system's icons are data: images in its style sheet
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


@sync_and_async_middleware
def content_security_policy(get_response: Callable[..., object]) -> Callable[..., object]:
    """Let a page load only what this studio serves, and run no inline script."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            response.headers.setdefault("Content-Security-Policy", POLICY)
            return response

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)  # type: ignore[assignment]
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return answer


# Programs read these: their answers are in English, whoever asks.
FOR_PROGRAMS = ("/api/", "/v2/", "/metrics", "/healthz", "/readyz")


@sync_and_async_middleware
def language(get_response: Callable[..., object]) -> Callable[..., object]:
    """Answer in the language that was chosen, else in one that the browser asks for."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with translation.override(language_of(request)):
                return _told(request, await get_response(request))

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        with translation.override(language_of(request)):
            return _told(request, get_response(request))  # type: ignore[arg-type]

    return answer


def language_of(request: HttpRequest) -> str:
    """Return the language for whoever asks."""
    if request.path_info.startswith(FOR_PROGRAMS):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if not request.path_info.startswith(FOR_PROGRAMS):
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        patch_vary_headers(response, ("Accept-Language",))
    return response
