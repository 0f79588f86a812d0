"""Health and readiness endpoints of a web process."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from pytest_django import DjangoDbBlocker, Settings
from structlog.contextvars import bound_contextvars, get_contextvars

from studio.operations.requests import request_ids
from tests.services.servers.postgres import Postgres
from tests.services.servers.preloaded import run_preloaded

DATABASE_GONE = """
from django.test import Client
for path in ("/healthz", "/readyz"):
    answer = Client(headers={"host": "localhost"}).get(path)
    print(answer.status_code, answer.content.decode().strip())
"""


def test_alive_asks_nothing_of_the_database(client: Client, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.block():
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.slow
def test_without_its_database_a_web_process_is_alive_but_not_ready(
    stoppable_postgres: Postgres, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": stoppable_postgres.url,
        "SECRET_KEY": "k" * 50,
        "STUDIO_VAR": str(tmp_path),
    }
    settings |= {"PATH": "/usr/bin:/bin"}
    with stoppable_postgres.outage():
        done = run_preloaded(["manage.py", "shell", "-v", "0", "-c", DATABASE_GONE], env=settings)
    alive, ready = done.stdout.splitlines()
    assert alive == "200 ok", done.stderr
    assert ready.startswith("503 ")
    assert "does not answer" in json.loads(ready.removeprefix("503 "))["missing"]["database"]


@pytest.mark.django_db
def test_a_whole_studio_is_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": {}})


@pytest.mark.django_db
def test_a_database_of_an_older_studio_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'studio'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "migrations are missing" in answer.json()["missing"]["migrations"]


@pytest.mark.django_db
def test_a_store_that_is_gone_is_not_ready(client: Client, settings: Settings, tmp_path: Path) -> None:
    settings.STORE = settings.VAR = tmp_path / "gone"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "is not there" in answer.json()["missing"]["store"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_strangers_see_neither_what_is_missing_nor_any_metric(client: Client, path: str) -> None:
    assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 403
    # Through a proxy on this machine they come from loopback too.
    assert client.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403
    with override_settings(OPERATIONS_TOKEN="let-me-look"):
        wrong = client.get(path, REMOTE_ADDR="203.0.113.9", headers={"authorization": "Bearer let-me"})
        right = client.get(path, REMOTE_ADDR="203.0.113.9", headers={"authorization": "Bearer let-me-look"})
    assert (wrong.status_code, right.status_code) == (403, 200)


def test_an_empty_token_opens_nothing(client: Client) -> None:
    assert (
        client.get("/readyz", REMOTE_ADDR="203.0.113.9", headers={"authorization": "Bearer "}).status_code
        == 403
    )


def test_each_answer_tells_its_request_id(client: Client) -> None:
    first, second = client.get("/healthz"), client.get("/healthz")
    assert first["X-Request-ID"] != second["X-Request-ID"]
    given = client.get("/healthz", headers={"x-request-id": "proxy-4711-abc"})
    assert given["X-Request-ID"] == "proxy-4711-abc"
    forged = client.get("/healthz", headers={"x-request-id": "one two {three}"})
    assert forged["X-Request-ID"] not in ("", "one two {three}")


def log_line(style: str, message: str, exc_info: Any = None) -> str:
    """Return what the studio writes to stderr for a warning of the worker."""
    kind = settings.LOGGING["formatters"][style]
    formatter = kind["()"](**{name: value for name, value in kind.items() if name != "()"})
    log = logging.getLogger("builds.worker.runner")
    record = log.makeRecord(log.name, logging.WARNING, "", 0, message, (), exc_info)
    return str(formatter.format(record))


def test_a_json_line_has_its_build_workspace_and_request() -> None:
    with bound_contextvars(request="abc"), bound_contextvars(build="4711", workspace="team"):
        entry = json.loads(log_line("json", "two\nlines “quoted”"))
    assert entry["message"] == "two\nlines “quoted”"
    assert (entry["build"], entry["workspace"], entry["request"]) == ("4711", "team", "abc")
    assert (entry["level"], entry["logger"]) == ("warning", "builds.worker.runner")
    assert datetime.fromisoformat(entry["time"]).tzinfo == UTC
    assert "build" not in json.loads(log_line("json", "Retrying."))


def test_a_plain_line_has_its_build() -> None:
    with bound_contextvars(build="4711", workspace="team"):
        line = log_line("plain", "Retrying.")
    assert line.endswith("[warning  ] Retrying. [builds.worker.runner] build=4711 workspace=team")
    assert log_line("plain", "Retrying.").endswith("Retrying. [builds.worker.runner]")


@pytest.mark.parametrize("style", ["plain", "json"])
def test_an_error_is_logged_with_its_traceback(style: str) -> None:
    try:
        raise KeyError("nothing")
    except KeyError:
        line = log_line(style, "It failed.", sys.exc_info())
    if style == "json":
        assert "\n" not in line
        line = json.loads(line)["exception"]
    assert "Traceback (most recent call last):" in line
    assert line.endswith("KeyError: 'nothing'")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_log_lines_of_a_request_have_its_id(kind: str) -> None:
    contexts = []

    def note() -> HttpResponse:
        contexts.append(get_contextvars())
        return HttpResponse("ok")

    async def answer_async(request: HttpRequest) -> HttpResponse:
        return note()

    request = RequestFactory().get("/", headers={"x-request-id": "proxy-4711-abc"})
    if kind == "sync":
        request_ids(lambda request: note())(request)
    else:
        async_to_sync(cast(Any, request_ids(answer_async)))(request)
    assert contexts == [{"request": "proxy-4711-abc"}]
    assert get_contextvars() == {}


def test_a_failure_of_the_studio_names_the_reference_that_its_log_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("of a test")

    monkeypatch.setattr("studio.signing_in.views.SignIn.get_context_data", broken)
    answer = Client(raise_request_exception=False).get("/login/?next=/x/")
    assert answer.status_code == 500
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in answer.content.decode()
    assert "of a test" not in answer.content.decode()
