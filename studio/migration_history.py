"""Refusal of databases that another version of the studio created."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

OWN_APPS = {"builds", "environments", "studio"}


def unknown_migrations(using: str = "default") -> list[str]:
    """Return the applied migrations of the studio that this version does not have, as `app.name`."""
    # Not a loader with its graph: Django cannot put that together where only some of the replaced have run.
    loader = MigrationLoader(None)
    applied = set(MigrationRecorder(connections[using]).applied_migrations())
    known = set(loader.disk_migrations)
    for key, migration in loader.disk_migrations.items():
        if key in applied or applied.issuperset(migration.replaces):
            known.update(migration.replaces)
    return sorted(f"{app}.{name}" for app, name in applied - known if app in OWN_APPS)


def other_version(using: str = "default") -> tuple[str, str] | None:
    """Return what is wrong with a database that another version created, and what to do; None for a database of this version."""
    unknown = unknown_migrations(using)
    if not unknown:
        return None
    if connections[using].vendor == "sqlite":
        remedy = f"To start with an empty studio, move {settings.VAR} away."
    else:
        remedy = f"To start with an empty studio, let DATABASE_URL name an empty database and move {settings.VAR} away."
    return (
        f"Another version of the studio created this database: it has the migration {unknown[0]}, which this "
        "version does not. Versions before 0.1.0 cannot be upgraded, and a newer version cannot be downgraded.",
        f"{remedy} To keep the data, run the version that created it.",
    )


def refuse_unknown_migrations(using: str = "default", **_: Any) -> None:
    """Refuse a database with unknown migrations before anything changes; also a receiver of `pre_migrate`."""
    refusal = other_version(using)
    if refusal is not None:
        problem, remedy = refusal
        raise CommandError(f"{problem} Nothing was changed. {remedy}")
