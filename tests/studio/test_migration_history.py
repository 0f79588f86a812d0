"""Databases of other versions are refused before anything changes, on both databases."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from environments.models import Workspace
from studio.migration_history import OWN_APPS, unknown_migrations
from studio.operations.checks.data import database
from studio.operations.finding import Level
from studio.operations.readiness import missing
from studio.preparation import prepare
from tests.services.studio import ROOT

# The heads of the checkouts before the migrations were written afresh.
OLD_HEADS = [
    ("builds", "0023_trials_of_images"),
    ("environments", "0014_indexes_of_events"),
    ("studio", "0003_counting_begins"),
]


def record_old_migrations() -> None:
    """Replace the recorded migrations of the studio with those of an old checkout."""
    rows = MigrationRecorder(connection).migration_qs
    rows.filter(app__in=["builds", "environments", "studio"]).delete()
    for app, name in OLD_HEADS:
        rows.create(app=app, name=name)


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_a_database_of_this_version_has_no_unknown_migrations() -> None:
    assert unknown_migrations() == []


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
@pytest.mark.parametrize("command", ["migrate", "prepare"])
def test_a_database_of_an_old_checkout_is_refused(command: str) -> None:
    record_old_migrations()
    with pytest.raises(CommandError) as refusal:
        call_command(command, verbosity=0)
    message = str(refusal.value)
    assert "it has the migration builds.0023_trials_of_images, which this version does not" in message
    assert "Nothing was changed" in message
    assert ("DATABASE_URL" in message) == (connection.vendor == "postgresql")
    assert unknown_migrations() == [f"{app}.{name}" for app, name in OLD_HEADS]


def record_replaced_migrations(*, but: int = 0) -> list[tuple[str, str]]:
    """Record the replaced migrations in place of those of today, but for the last of each app."""
    rows = MigrationRecorder(connection).migration_qs
    loader = MigrationLoader(None)
    replaced: list[tuple[str, str]] = []
    for (app, name), migration in loader.disk_migrations.items():
        if app in OWN_APPS and migration.replaces:
            names = [earlier for _, earlier in migration.replaces]
            rows.filter(app=app, name__in=[name, *names]).delete()
            replaced += [(app, earlier) for earlier in names[: len(names) - but]]
    for app, name in replaced:
        rows.create(app=app, name=name)
    return replaced


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_a_database_that_ran_all_replaced_migrations_is_upgraded_and_keeps_its_rows() -> None:
    Workspace.objects.create(name="lab")
    assert len(record_replaced_migrations()) > 40
    assert unknown_migrations() == []

    prepare()

    applied = MigrationRecorder(connection).applied_migrations()
    assert {("builds", "0001_tables"), ("environments", "0001_tables"), ("studio", "0001_tables")} <= set(
        applied
    )
    assert unknown_migrations() == []
    assert Workspace.objects.filter(name="lab").exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_a_database_that_ran_only_some_of_the_replaced_migrations_is_refused() -> None:
    replaced = record_replaced_migrations(but=1)
    with pytest.raises(
        CommandError, match=r"builds\.0001_initial, which this version does not.*Nothing was changed"
    ):
        prepare()
    assert unknown_migrations() == sorted(f"{app}.{name}" for app, name in replaced)
    assert "builds.0001_initial" in missing()["migrations"]


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_preparing_a_database_of_an_old_checkout_creates_nothing() -> None:
    record_old_migrations()
    with pytest.raises(CommandError):
        prepare()
    assert "builds.0001_tables" not in [
        f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_doctor_and_readiness_name_the_database_of_an_old_checkout() -> None:
    record_old_migrations()
    (finding,) = database()
    assert finding.level is Level.WRONG
    assert "it has the migration builds.0023_trials_of_images, which this version does not" in finding.message
    assert "empty studio" in finding.help
    assert finding.message in missing()["migrations"]


def test_run_refuses_the_database_of_an_old_checkout_in_one_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "studio.sqlite3") as database:
        database.execute("CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app, name, applied)")
        database.executemany(
            "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, '2026-11-21')", OLD_HEADS
        )
        before = list(database.iterdump())
    environment = {**os.environ, "STUDIO_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "run", "--port", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: Another version of the studio created this database")
    assert f"move {tmp_path} away" in done.stderr
    with sqlite3.connect(tmp_path / "studio.sqlite3") as database:
        assert list(database.iterdump()) == before
