"""What every answer carries."""

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from environments.origin import coming_from

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

DEVICES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


@sync_and_async_middleware
def content_security_policy(get_response: Callable[..., object]) -> Callable[..., object]:
    """Let a page load only what this studio serves, run no inline script, and use no device."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await get_response(request)
            return _told(response)

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return _told(response)

    return answer


@sync_and_async_middleware
def say_where_from(get_response: Callable[..., object]) -> Callable[..., object]:
    """Let what a request changes be recorded with its address and program."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with coming_from(*_sender(request)):
                response: HttpResponse = await get_response(request)
            return response

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        with coming_from(*_sender(request)):
            response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return response

    return answer


def _sender(request: HttpRequest) -> tuple[str, str]:
    # What a proxy says of the address, the web server has put here, if it trusts that proxy.
    return request.META.get("REMOTE_ADDR", ""), request.headers.get("User-Agent", "")


def _told(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Permissions-Policy", DEVICES)
    return response
