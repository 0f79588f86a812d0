"""Mark each request with the moment from which its page is to be kept up to date."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from builds.live.topic_changes import board


def position(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Remember the board's position before the page reads anything: a later change is in its stream."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.live_position = board.position  # type: ignore[attr-defined]
        return get_response(request)

    return middleware
