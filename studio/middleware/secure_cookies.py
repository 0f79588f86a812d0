"""Cookies of a studio that serves both HTTP and HTTPS.

A browser has the same jar for both. It sends a secure cookie over HTTPS only, and lets no HTTP answer replace it: under
the same name, a person who has signed in over HTTPS could no longer sign in over HTTP. So cookies have names of their
own on HTTPS, with the prefix by which browsers take them from this host over HTTPS alone.
"""

from collections.abc import Callable
from http.cookies import Morsel

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

PREFIX = "__Host-"


@sync_and_async_middleware
def secure_cookies(get_response: Callable[..., object]) -> Callable[..., object]:
    """Read and send cookies by their names on HTTPS, where `manage.py run --https` serves HTTP too."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            secure = _take_names(request)
            response: HttpResponse = await get_response(request)
            return _give_names(response) if secure else response

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        secure = _take_names(request)
        response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return _give_names(response) if secure else response

    return answer


def _take_names(request: HttpRequest) -> bool:
    """Give a secure request's cookies the names that the studio reads; return whether it is such a request."""
    if not settings.SERVES_HTTPS or not request.is_secure():
        return False
    secure = {
        name.removeprefix(PREFIX): value for name, value in request.COOKIES.items() if name.startswith(PREFIX)
    }
    request.COOKIES.clear()
    request.COOKIES.update(secure)
    return True


def _give_names(response: HttpResponse) -> HttpResponse:
    for name in list(response.cookies):
        morsel: Morsel[str] = response.cookies.pop(name)
        # `SimpleCookie` makes a new cookie under the new name, then takes its attributes.
        response.cookies[PREFIX + name] = morsel.value
        response.cookies[PREFIX + name].update({**morsel, "secure": True, "domain": "", "path": "/"})
    return response
