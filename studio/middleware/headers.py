"""Headers of every response."""

import secrets
from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from environments.request_origin import recording_origin

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


class StyleNonce:
    """A nonce that allows the styles of our scripts in this response: `{{ request.style_nonce }}`.

    Only where a template names it does the policy hold it: the editor needs it, nothing else does.
    """

    def __init__(self) -> None:
        self.word = ""

    def __str__(self) -> str:
        self.word = self.word or secrets.token_urlsafe(16)
        return self.word

    @property
    def policy(self) -> str:
        """The policy for the answer."""
        return f"{POLICY}; style-src 'self' 'nonce-{self.word}'" if self.word else POLICY


def give_nonce(request: HttpRequest) -> StyleNonce:
    """Give a request its nonce, and return it."""
    nonce = request.style_nonce = StyleNonce()  # type: ignore[attr-defined]
    return nonce


@sync_and_async_middleware
def content_security_policy(get_response: Callable[..., object]) -> Callable[..., object]:
    """Let a page load only what this studio serves, run no inline script, and use no device."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            nonce = give_nonce(request)
            response: HttpResponse = await get_response(request)
            return with_security_headers(response, nonce)

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        nonce = give_nonce(request)
        response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return with_security_headers(response, nonce)

    return answer


@sync_and_async_middleware
def say_where_from(get_response: Callable[..., object]) -> Callable[..., object]:
    """Let what a request changes be recorded with its address and program."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            with recording_origin(*_sender(request)):
                response: HttpResponse = await get_response(request)
            return response

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        with recording_origin(*_sender(request)):
            response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return response

    return answer


def _sender(request: HttpRequest) -> tuple[str, str]:
    # The web server puts the client's address here, from a proxy that it trusts.
    return request.META.get("REMOTE_ADDR", ""), request.headers.get("User-Agent", "")


def with_security_headers(response: HttpResponse, nonce: StyleNonce) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", nonce.policy)
    response.headers.setdefault("Permissions-Policy", DEVICES)
    return response
