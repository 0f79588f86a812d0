"""What supervisors and load balancers ask of a web process."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker, Settings

from builds.telling import about
from studio.operations.logs import REQUEST, JsonFormatter, PlainFormatter
from tests.services.postgres import Postgres
from tests.services.studio import ROOT

DATABASE_GONE = """
import django; django.setup()
from django.test import Client
for path in ("/healthz", "/readyz"):
    answer = Client(headers={"host": "localhost"}).get(path)
    print(answer.status_code, answer.content.decode().strip())
"""


def test_alive_asks_nothing_of_the_database(client: Client, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.block():
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_without_its_database_a_web_process_is_alive_but_not_ready(
    postgres: Postgres, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": postgres.url,
        "SECRET_KEY": "k" * 50,
        "STUDIO_VAR": str(tmp_path),
    }
    settings |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "PATH": "/usr/bin:/bin"}
    with postgres.outage():
        words = [sys.executable, "-c", DATABASE_GONE]
        done = subprocess.run(words, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
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
def test_strangers_are_told_neither_what_is_missing_nor_what_is_counted(client: Client, path: str) -> None:
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


def line(message: str) -> logging.LogRecord:
    return logging.LogRecord("builds.runner", logging.WARNING, "", 0, message, None, None)


def test_a_json_line_tells_its_build_workspace_and_request() -> None:
    token = REQUEST.set("abc")
    try:
        with about("4711", "team"):
            entry = json.loads(JsonFormatter().format(line("two\nlines “quoted”")))
    finally:
        REQUEST.reset(token)
    assert entry["message"] == "two\nlines “quoted”"
    assert (entry["build"], entry["workspace"], entry["request"]) == ("4711", "team", "abc")
    assert (entry["level"], entry["logger"]) == ("WARNING", "builds.runner")


def test_a_plain_line_tells_its_build_once() -> None:
    with about("4711", "team"):
        assert PlainFormatter().format(line("Retrying.")).endswith("Retrying. [build 4711, workspace team]")
        assert PlainFormatter().format(line("Build 4711 failed.")).count("4711") == 1
    assert PlainFormatter().format(line("Retrying.")).endswith("Retrying.")
