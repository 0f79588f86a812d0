"""Request ids, and how many requests this process answered, how fast."""

import re
import time
from collections.abc import Callable
from secrets import token_hex

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import CollectorRegistry, Counter, Histogram
from structlog.contextvars import bound_contextvars

HEADER = "X-Request-ID"
SAFE = re.compile(r"[A-Za-z0-9._-]{8,64}")

here = CollectorRegistry()
"""What this process counts by itself."""

answered = Counter("studio_http_requests", "Requests that this process answered.", ["status"], registry=here)
took = Histogram(
    "studio_http_request_seconds",
    "Time to the first byte of an answer of this process.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=here,
)


@sync_and_async_middleware
def request_ids(get_response: Callable[..., object]) -> Callable[..., object]:
    """Give each request an id, which its log lines and its response carry, and count it."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            began, id = time.perf_counter(), request_id(request)
            with bound_contextvars(request=id):
                response: HttpResponse = await get_response(request)
            return counted(response, id, began)

        markcoroutinefunction(answer_async)
        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        began, id = time.perf_counter(), request_id(request)
        with bound_contextvars(request=id):
            response: HttpResponse = get_response(request)  # type: ignore[assignment]
        return counted(response, id, began)

    return answer


def request_id(request: HttpRequest) -> str:
    """Return the id that a proxy sent with a request, if it is 8 to 64 safe characters, else a new id."""
    given = request.headers.get(HEADER, "")
    return given if SAFE.fullmatch(given) else token_hex(8)


def counted(response: HttpResponse, id: str, began: float) -> HttpResponse:
    """Return the response with its request's id, counted."""
    response.headers[HEADER] = id
    answered.labels(f"{response.status_code // 100}xx").inc()
    took.observe(time.perf_counter() - began)
    return response
