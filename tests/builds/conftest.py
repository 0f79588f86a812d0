"""What tests of builds share: both databases, a package index, and one that holds back its files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import dj_database_url
import pytest
from asgiref.local import Local
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from tests.images.making import make_sdist, make_wheel
from tests.images.serving import Answer, Index
from tests.services.postgres import Postgres


class HeldIndex(Index):
    """An index that hands out no file before `let_go` is set: a build stops in the middle of its fetching."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let_go = threading.Event()
        self.holding = threading.Event()

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/files/"):
            self.holding.set()
            self.let_go.wait(120)
        return super()._answer(request)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small wheels (shop, cart, till, desk) and one source without a wheel (source)."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("shop", "cart", "till", "desk"):
        make_wheel(folder, name, "1.0", {f"{name}.py": "OPEN = True\n"})
    make_sdist(folder)
    return folder


@pytest.fixture
def index(packages: Path) -> Iterator[HeldIndex]:
    """An index that holds back its packages."""
    held = HeldIndex(packages)
    with held.server.running():
        yield held
        held.let_go.set()


@pytest.fixture
def open_index(packages: Path) -> Iterator[Index]:
    """An index of the same packages that holds nothing back."""
    served = Index(packages)
    with served.server.running():
        yield served


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Any]]:
    """Django's settings of a PostgreSQL database that has the tables, and nothing in them."""
    with postgres.fresh_database() as url:
        place = ConnectionHandler({"default": dict(dj_database_url.parse(url))}).settings["default"]
        with django_db_blocker.unblock(), standing_on(place):
            call_command("migrate", verbosity=0)
        yield place


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[None]:
    """Each test of a module on both databases: two set-ups, one code (issue 5, point 5)."""
    if request.param == "sqlite":
        yield
    else:
        with standing_on(request.getfixturevalue("postgres_tables")):
            yield


@contextmanager
def standing_on(place: dict[str, Any]) -> Iterator[None]:
    """Let all of Django, in every thread, use another database."""
    handler: Any = connections
    before, held = handler.settings["default"], handler._connections
    handler.settings["default"] = place
    handler._connections = Local(
        handler.thread_critical
    )  # threads that live on have connections of their own
    ContentType.objects.clear_cache()  # ids differ
    try:
        yield
    finally:
        connections["default"].close()
        handler.settings["default"] = before
        handler._connections = held
        ContentType.objects.clear_cache()
