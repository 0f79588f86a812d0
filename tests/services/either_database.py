"""Tests on SQLite and on PostgreSQL: `pytest.mark.usefixtures("either_database")`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import pytest
from asgiref.local import Local
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.backends.sqlite3.creation import DatabaseCreation
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from tests.services.servers.postgres import Postgres
from tests.services.sharing import MIGRATED, made_once


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, shared_folder: Path
) -> Iterator[None]:
    """Let the first process of a run migrate its SQLite file, and the others copy it."""
    create: Any = DatabaseCreation.create_test_db

    def create_or_copy(self: Any, *args: Any, serialize: bool = False, **kwargs: Any) -> Any:
        def migrated() -> str:
            create(self, *args, serialize=serialize, **kwargs)
            kept = str(shared_folder / MIGRATED)
            with self.connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [kept])
            return kept

        if serialize:
            return create(self, *args, serialize=serialize, **kwargs)
        kept = made_once(shared_folder, "sqlite-tables", migrated)
        name = self._get_test_db_name()
        if self.connection.settings_dict["NAME"] != name:
            shutil.copyfile(kept, name)
            self.connection.close()
            self.connection.settings_dict["NAME"] = settings.DATABASES[self.connection.alias]["NAME"] = name
            self.connection.ensure_connection()
        return name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseCreation, "create_test_db", create_or_copy)
        yield


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres, shared_folder: Path, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of a PostgreSQL database that has the tables, and nothing in them: others are copies of it."""

    def migrated() -> str:
        name = postgres.make_database()
        with django_db_blocker.unblock(), using_database(settings_of(postgres.url_of(name))):
            call_command("migrate", verbosity=0)
        return name

    return made_once(shared_folder, "postgres-tables", migrated)


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres, migrated_database: str) -> Iterator[dict[str, Any]]:
    """Django's settings of a PostgreSQL database that has the tables, and nothing in them."""
    with postgres.fresh_database(template=migrated_database) as url:
        yield settings_of(url)


def settings_of(url: str) -> dict[str, Any]:
    handler = ConnectionHandler({"default": dict(dj_database_url.parse(url))})
    parsed: dict[str, Any] = handler.settings["default"]
    return parsed


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[None]:
    """Run each test of a module on both databases."""
    if request.param == "sqlite":
        yield
    else:
        with using_database(request.getfixturevalue("postgres_tables")):
            yield


@contextmanager
def using_database(database: dict[str, Any]) -> Iterator[None]:
    """Let all of Django, in every thread, use another database."""
    handler: Any = connections
    before, open_connections = handler.settings["default"], handler._connections
    handler.settings["default"] = database
    # Threads that are still alive keep their own connections.
    handler._connections = Local(handler.thread_critical)
    ContentType.objects.clear_cache()  # ids differ
    try:
        yield
    finally:
        connections["default"].close()
        handler.settings["default"] = before
        handler._connections = open_connections
        ContentType.objects.clear_cache()
