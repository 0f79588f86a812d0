"""Every URL, requested with every method by every caller, responds as the access table says, with all protection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.core.handlers import exception
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLResolver
from rest_framework.throttling import SimpleRateThrottle

from tests.access.asking import CALLERS, METHODS, Studio, cells, expected, routes
from tests.access.expected import EXPECTED
from tests.access.schema import schema_made_once as schema_made_once


def test_the_table_has_every_route_and_no_other() -> None:
    existing = routes()
    new = [route for route in existing if route not in EXPECTED]
    assert not new, f"Say in tests/access/expected.py who may come to {', '.join(new)}."
    gone = [route for route in EXPECTED if route not in existing]
    assert not gone, f"Nobody answers at {', '.join(gone)} any more."


@pytest.fixture
def one_connection(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the test's connection: the end of a stream would close it."""
    monkeypatch.setattr(connection, "close", lambda: None)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render a person's page of a refusal once: it costs much, and is the same in each cell."""
    render = exception.get_exception_response
    seen: set[tuple[int, object]] = set()

    def rendered(request: HttpRequest, resolver: URLResolver, status: int, error: Exception) -> HttpResponse:
        key = (status, getattr(request.user, "pk", None))
        if key in seen:
            return HttpResponse(status=status)
        seen.add(key)
        return render(request, resolver, status, error)

    monkeypatch.setattr(exception, "get_exception_response", rendered)


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once", "refused_once")
def test_every_request_is_answered_as_the_table_says_with_all_protection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "allow_request", lambda *_: True)  # so many, so fast
    cache.clear()
    studio = Studio.filled()
    table = cells()
    wrong = []
    tally: Counter[str] = Counter()
    for cell in table:
        answered, due = studio.answer(cell), expected(cell)
        tally[due] += 1
        if answered != due:
            wrong.append(
                f"{cell.method} /{cell.route} in {cell.workspace}, {cell.caller}: {answered}, not {due}"
            )
    assert not studio.lacks, "\n".join(studio.lacks[:60])
    assert studio.pages > 500
    assert not wrong, f"{len(wrong)} of {len(table)} cells:\n" + "\n".join(wrong[:100])
    assert len(table) > 10 * len(METHODS) * len(CALLERS)
    assert len(tally) == 5  # in, sign in, refused, hidden, no such method
