"""Answer forms that a script sends: a redirect becomes a header, which the script follows itself.

`fetch` follows redirects without showing where to, and would use up the messages for the next page.
"""

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

BY_SCRIPT = "X-Studio-Save"
LOCATION = "X-Studio-Location"


@sync_and_async_middleware
def redirects_to_scripts(get_response: Callable[..., object]) -> Callable[..., object]:
    """Give a form that a script sent the URL of a redirect as `X-Studio-Location`, with status 204."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            return without_redirect(request, response)

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)  # type: ignore[assignment]
        return without_redirect(request, response)

    return answer


def without_redirect(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the response; a redirect of a script's POST as 204, with its cookies."""
    redirected = response.status_code in (301, 302, 303) and response.has_header("Location")
    if request.method != "POST" or BY_SCRIPT not in request.headers or not redirected:
        return response
    answer = HttpResponse(status=204, headers={LOCATION: response["Location"]})
    answer.cookies = response.cookies
    return answer
